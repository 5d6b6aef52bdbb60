package main

import (
	"slices"
	"testing"
)

func TestWhatHappensWhileGroupsAreFetchedIsNewerThanTheAnswer(t *testing.T) {
	var groups groupList
	first := groups.begin()
	if _, known := groups.note("1@g.us", true); known {
		t.Error("the groups are known before they were fetched")
	}
	groups.note("2@g.us", false)
	second := groups.begin()
	groups.note("3@g.us", false)
	if names := groups.end(first, map[string]bool{"2@g.us": true, "3@g.us": true, "4@g.us": true}); !slices.Equal(names, []string{"1@g.us", "4@g.us"}) {
		t.Errorf("after the first answer they are %v", names)
	}
	if names := groups.end(second, map[string]bool{"2@g.us": true, "3@g.us": true}); !slices.Equal(names, []string{"2@g.us"}) {
		t.Errorf("after the second they are %v: what was before it counts", names)
	}
	if names, known := groups.note("5@g.us", true); !known || len(names) != 2 {
		t.Errorf("they are %v, known is %v", names, known)
	}
	if groups.end(groups.begin(), nil); len(groups.changes) > 0 || len(groups.names) != 2 {
		t.Errorf("a query that failed leaves %v", groups.names)
	}
}
