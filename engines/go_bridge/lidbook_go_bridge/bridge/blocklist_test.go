package main

import (
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

func TestABlockIsReadBack(t *testing.T) {
	list := func(items ...waBinary.Node) []waBinary.Node { return []waBinary.Node{{Tag: "list", Content: items}} }
	ana := waBinary.Node{Tag: "item", Attrs: waBinary.Attrs{"jid": types.NewJID("77", types.HiddenUserServer)}}
	for name, each := range map[string]struct {
		method string
		get    []waBinary.Node
		want   code
	}{
		"blocked":                {"contacts.block", list(ana), ""},
		"unblocked":              {"contacts.unblock", list(), ""},
		"not blocked":            {"contacts.block", list(), changeNotTaken},
		"not unblocked":          {"contacts.unblock", list(ana), changeNotTaken},
		"an answer without list": {"contacts.block", []waBinary.Node{{Tag: "nothing"}}, engineError},
	} {
		t.Run(name, func(t *testing.T) {
			whatsapp, c := greeted(t)
			start(c, linked(t))
			c.complete("blocklist")
			whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
				switch {
				case query.Attrs["xmlns"] != "blocklist":
					return nil
				case query.Attrs["type"] == "set":
					return []waBinary.Node{{Tag: "nothing"}}
				}
				return each.get
			})
			before := told(c, "blocklist")
			_, refused := c.ask(each.method, ofSession(map[string]any{"person": map[string]any{"lid": "77@lid", "phone": "1@c.us"}}))
			if each.want == "" && refused != nil || each.want != "" && (refused == nil || refused.Data.Code != each.want) {
				t.Errorf("answered with %v", refused)
			}
			if isTold := told(c, "blocklist") > before; isTold != (each.want != engineError) {
				t.Errorf("that the list is told is %v", isTold)
			}
		})
	}
}

func told(c *core, kind string) (many int) {
	for _, each := range all[factsParams](c, "facts") {
		for _, fact := range each.Facts {
			if strings.Contains(string(fact), kind) {
				many++
			}
		}
	}
	return many
}
