package main

import (
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"google.golang.org/protobuf/proto"
)

func TestTheLastNameIsTheRestOfTheWhole(t *testing.T) {
	for _, each := range []struct{ first, full, last string }{
		{"Ana", "Ana Lima", "Lima"},
		{"Ana", "Ana", ""},
		{"Ana", "Anabel Lima", ""},
		{"Ana Maria", "Ana Maria de Souza", "de Souza"},
		{"", "Lima Shop", ""},
		{"Ana", "", ""},
		{"Ana", "Lima, Ana", ""},
	} {
		if got := (contact{firstName: each.first, fullName: each.full}).lastName(); got != each.last {
			t.Errorf("of %q in %q the last name is %q, not %q", each.first, each.full, got, each.last)
		}
	}
}

func TestMutationsThatAreContacts(t *testing.T) {
	set := func(index []string, value *waSyncAction.SyncActionValue) appstate.Mutation {
		return appstate.Mutation{Operation: waServerSync.SyncdMutation_SET, Index: index, Action: value}
	}
	named := &waSyncAction.SyncActionValue{Timestamp: proto.Int64(1000), ContactAction: &waSyncAction.ContactAction{
		FirstName: proto.String("Ana"), FullName: proto.String("Ana Lima"), LidJID: proto.String("9@lid"),
		PnJID: proto.String("7@s.whatsapp.net"), Username: proto.String("ana"),
	}}
	for name, each := range map[string]struct {
		mutation appstate.Mutation
		want     contact
		ok       bool
	}{
		"under a number": {set([]string{"contact", "1@s.whatsapp.net"}, named),
			contact{"contact", "1@s.whatsapp.net", "Ana", "Ana Lima", "1@c.us", "9@lid", "ana", 1000}, true},
		"under a LID": {set([]string{"contact", "5@lid"}, named),
			contact{"contact", "5@lid", "Ana", "Ana Lima", "7@c.us", "5@lid", "ana", 1000}, true},
		"a contact without a number": {set([]string{"lid_contact", "5@lid"}, &waSyncAction.SyncActionValue{
			Timestamp: proto.Int64(1000), LidContactAction: &waSyncAction.LidContactAction{FullName: proto.String("Eve")}}),
			contact{"lid_contact", "5@lid", "", "Eve", "", "5@lid", "", 1000}, true},
		"another device's setting": {set([]string{"setting_pushName"}, named), contact{}, false},
		"a group":                  {set([]string{"contact", "120363000000000000@g.us"}, named), contact{}, false},
		"a broken identifier":      {set([]string{"contact", "1:2:3@lid"}, named), contact{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			line, ok := contactOf(each.mutation)
			if ok != each.ok || (ok && line != each.want) {
				t.Errorf("read as %+v, %v", line, ok)
			}
		})
	}
}

func TestARemovedContactIsLaterThanItWas(t *testing.T) {
	line := contact{kind: "contact", jid: "1@s.whatsapp.net", phone: "1@c.us", lid: "9@lid", firstName: "Ana", fullName: "Ana", at: 500}
	for at, want := range map[int64]int64{400: 501, 500: 501, 900: 900} {
		gone := line.removed(at)
		if gone.at != want || !gone.isRemoved() {
			t.Errorf("removed at %d it is %+v", at, gone)
		}
		if told := gone.facts(); len(told) != 3 {
			t.Errorf("a removal tells %d facts: the pair stays as it is", len(told))
		}
	}
}
