package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

func TestEverySessionRecoversWhenAVersionIsRetired(t *testing.T) {
	whatsapp, c := retired(t)
	var asked atomic.Int32
	whatsapp.page = func(writer http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		until(t, "all sessions to be refused", func() bool { return whatsapp.connections() == 3 })
		_, _ = fmt.Fprint(writer, `{"client_revision":4000000000,}`)
	}
	startAs(c, "one", linked(t), nil)
	startAs(c, "two", linked(t), nil)
	startAs(c, "unlinked", t.TempDir(), nil)
	until(t, "their ends", func() bool { return len(failures(c)) == 3 })
	for _, each := range failures(c) {
		if *each.Reason != reasonNetwork {
			t.Errorf("%s failed with %s", each.Session, *each.Reason)
		}
	}
	if asked.Load() != 1 || currentVersion()[2] != 4000000000 {
		t.Errorf("asked %d times, and the version is %s", asked.Load(), currentVersion())
	}
	startAs(c, "three", linked(t), nil)
	until(t, "its end", func() bool { return len(failures(c)) == 4 })
	if last := failures(c)[3]; *last.Reason != reasonOutdated || asked.Load() != 1 {
		t.Errorf("refused with the newest version, it failed with %s after asking %d times", *last.Reason, asked.Load())
	}
}

func TestALookUpThatFailsIsTriedAgain(t *testing.T) {
	whatsapp, c := retired(t)
	var asked atomic.Int32
	whatsapp.page = func(writer http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			writer.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(writer, `{"client_revision":4000000000,}`)
	}
	folder := linked(t)
	for i, want := range []string{reasonOutdated, reasonNetwork} {
		start(c, folder)
		until(t, "its end", func() bool { return len(failures(c)) == i+1 })
		if told := failures(c)[i]; *told.Reason != want {
			t.Errorf("attempt %d failed with %s", i+1, *told.Reason)
		}
	}
}

func TestAVersionThatTheOperatorChoseIsKept(t *testing.T) {
	whatsapp, c := retired(t)
	whatsapp.page = func(http.ResponseWriter, *http.Request) { t.Error("a version was looked up") }
	startAs(c, "s", linked(t), "2.3000.7")
	if told := c.status("FAILED"); *told.Reason != reasonOutdated || currentVersion()[2] != 7 {
		t.Errorf("it failed with %s, and the version is %s", *told.Reason, currentVersion())
	}
}

func failures(c *core) (found []statusParams) {
	for _, each := range all[statusParams](c, "status") {
		if each.Status == "FAILED" {
			found = append(found, each)
		}
	}
	return found
}
