package main

import (
	"testing"
	"time"
)

func TestFactsAsTheProtocolWritesThem(t *testing.T) {
	url, until := "http://x/?oe=1", int64(1000)
	for want, each := range map[string]fact{
		`{"fact":"field","user":"1@c.us","field":"pushname","value":"Ana","source":"history","at":5}`:      fieldFact("1@c.us", "pushname", "Ana", fromHistory, 5),
		`{"fact":"field","user":"1@lid","field":"business","value":true,"source":"server","at":5}`:         fieldFact("1@lid", "business", true, fromServer, 5),
		`{"fact":"field","user":"1@c.us","field":"last_name","value":null,"source":"address-book","at":5}`: nameFact("1@c.us", "last_name", "", fromAddressBook, 5),
		`{"fact":"field","user":"1@lid","field":"picture","value":{"state":"present","url":"http://x/?oe=1","expires_at":1000},"source":"notification","at":5}`: fieldFact(
			"1@lid", "picture", picture{"present", &url, &until}, fromNotification, 5),
		`{"fact":"link","phone":"1@c.us","lid":"2@lid","source":"message","at":5}`: linkFact("1@c.us", "2@lid", fromMessage, 5),
		`{"fact":"group","group":"7@g.us","subject":"S","creation":9,"participants":[{"lid":"2@lid","role":"admin"}],"source":"group","at":5}`: groupFact(
			group{ID: "7@g.us", Subject: "S", Creation: 9, Participants: []participant{{Lid: "2@lid", Role: roleAdmin}}}, fromGroup, 5),
		`{"fact":"participant","group":"7@g.us","participant":{"phone":"1@c.us","role":"left"},"source":"notification","at":5}`: participantFact(
			"7@g.us", participant{Phone: "1@c.us", Role: roleLeft}, fromNotification, 5),
		`{"fact":"group_list","groups":[],"source":"group","at":5}`:                 groupListFact(nil, fromGroup, 5),
		`{"fact":"blocklist","users":["2@lid"],"source":"server","at":5}`:           blocklistFact([]string{"2@lid"}, fromServer, 5),
		`{"fact":"contact_list","users":["1@c.us"],"source":"address-book","at":5}`: contactListFact([]string{"1@c.us"}, fromAddressBook, 5),
	} {
		if string(each.text) != want {
			t.Errorf("written as %s, not %s", each.text, want)
		}
	}
}

func TestSecondsOfTheWire(t *testing.T) {
	for name, each := range map[string]struct{ second, arrival, want int64 }{
		"arrived within the second": {100, 100_250, 100_250},
		"arrived later":             {100, 170_000, 100_999},
		"a clock that is behind":    {100, 99_000, 100_000},
	} {
		if got := within(each.second, each.arrival); got != each.want {
			t.Errorf("%s: %d, not %d", name, got, each.want)
		}
	}
	if got, now := stanzaTime(time.Time{}), nowMs(); now-got > 1000 {
		t.Errorf("a stanza without a time is as of %d, and it is %d", got, now)
	}
	future := nowMs() + 3_600_000
	if got := mutationTime(future); got >= future {
		t.Error("a fact is told of the future")
	}
}
