package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
)

func TestTheLibrarysLogKeepsSecretsToItself(t *testing.T) {
	c := newCore(t)
	c.host.log.level = levelDebug
	log := (&libraryLog{log: c.host.log.of("s")}).Sub("Recv")
	secret := &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"type": "text", "notify": "Ana"}, Content: []byte("secret")}
	log.Debugf("%s", secret)
	log.Debugf("Errored frame hex: %s", "736563726574")
	log.Infof("code https://wa.me/settings/linked_devices#a,b,secret,c,1")
	log.Errorf("Failed to fetch: %v", fmt.Errorf("version: %w", errOwned))
	log.Warnf("key %X of %v", []byte("secret"), errors.New("trouble"))
	log.Warnf("long %s", strings.Repeat("é", 400))
	c.must("ping", struct{}{})
	var events []string
	for _, each := range all[logLine](c, "log") {
		events = append(events, each.Event)
		if *each.Session != "s" || each.Values["module"] != "Recv" {
			t.Errorf("%+v is of nobody", each)
		}
	}
	whole := strings.Join(events, "\n")
	for _, each := range []string{"secret", "Ana", "linked_devices", "by the host", "736563"} {
		if strings.Contains(whole, each) {
			t.Errorf("the log holds %q:\n%s", each, whole)
		}
	}
	for _, each := range []string{"<message type=text>", "trouble"} {
		if !strings.Contains(whole, each) {
			t.Errorf("the log lacks %q:\n%s", each, whole)
		}
	}
	if len(events) != 3 || len(events[2]) > longestText+30 {
		t.Errorf("%d lines were told:\n%s", len(events), whole)
	}
}

func TestLinesBelowTheLevelAreNotEvenWritten(t *testing.T) {
	c := newCore(t)
	c.host.log.level = levelWarning
	(&libraryLog{log: c.host.log}).Infof("%s", mustNotBeRead{t})
	c.host.log.info("quiet")
	c.must("ping", struct{}{})
	if told := all[logLine](c, "log"); len(told) > 0 {
		t.Errorf("told %+v", told)
	}
}

type mustNotBeRead struct{ t *testing.T }

func (m mustNotBeRead) String() string {
	m.t.Error("a line that nobody sees was formatted")
	return ""
}
