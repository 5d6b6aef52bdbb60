package main

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// refusing is the answer to a usync query of which one protocol is refused.
func refusing(protocol, code string) []waBinary.Node {
	refused := waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": code, "text": "no", "backoff": "0.001"}}
	return []waBinary.Node{{Tag: "usync", Content: []waBinary.Node{
		{Tag: "result", Content: []waBinary.Node{{Tag: protocol, Content: []waBinary.Node{refused}}}}, {Tag: "list"},
	}}}
}

func TestOnlyTheProtocolThatIsNeededFailsAQuery(t *testing.T) {
	for _, each := range []struct {
		protocol, code, needed string
		fails                  bool
	}{
		{"contact", "500", "contact", true},
		{"contact", "429", "contact", true},
		{"username", "500", "contact", false},
		{"username", "429", "contact", false},
		{"username", "500", limitedBy, false},
		{"username", "429", limitedBy, true},
	} {
		if err := protocolError(&refusing(each.protocol, each.code)[0], each.needed); (err != nil) != each.fails {
			t.Errorf("that %s answers %s is read as %v where %q is needed", each.protocol, each.code, err, each.needed)
		}
	}
}

// historyTaken is a linked device that has taken over a history with many people in it, and an empty address book.
func historyTaken(t *testing.T, many int, notes ...string) (folder string) {
	t.Helper()
	return prepared(t, func(opened *sessionStore, device *store.Device) error {
		people := make([]seenPerson, many)
		for i := range people {
			people[i] = seenPerson{id: fmt.Sprintf("%04d@lid", i+1), chatAt: 1}
		}
		if err := opened.putSeen(background, people); err != nil {
			return err
		}
		for _, each := range append(notes, historyDone) {
			name, value, _ := strings.Cut(each, "=")
			if value == "" {
				value = yes
			}
			if err := opened.keep(background, name, value); err != nil {
				return err
			}
		}
		return newBookServer().share(device)
	})
}

func (c *core) complete(feed string) {
	c.t.Helper()
	c.await("the sync of "+feed, func(heard message) bool {
		return heard.Method == "sync" && strings.Contains(string(heard.Params), feed) && strings.Contains(string(heard.Params), `"complete":true`)
	})
}

// firstAsked is about whom a usync query asks first.
func firstAsked(query *waBinary.Node) string {
	list, ok := query.GetOptionalChildByTag("usync", "list")
	if !ok || len(list.GetChildren()) == 0 {
		return ""
	}
	return fmt.Sprint(list.GetChildren()[0].Attrs["jid"])
}

func TestARateLimitHoldsNoFeedBack(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	var first, second atomic.Int32
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		switch firstAsked(query) {
		case "":
			return collection(query, waBinary.Attrs{"version": "0"})
		case "0001@lid":
			first.Add(1)
			return []waBinary.Node{{Tag: "usync", Content: []waBinary.Node{{Tag: "list"}}}}
		}
		second.Add(1)
		return refusing("business", "429")
	})
	c := newCore(t)
	whatsapp.hello(c)
	start(c, historyTaken(t, usyncChunk+1))
	c.complete("pushnames")
	c.complete("lids")
	if first.Load() != 1 || second.Load() != mostPauses+1 {
		t.Errorf("asked %d and %d times", first.Load(), second.Load())
	}
	s := c.host.find("s")
	if last, err := s.store.note(background, peopleNote); err != nil || last != "0200@lid" {
		t.Errorf("asked up to %q, with %v", last, err)
	}
}

func TestAskingGoesOnWhereItStopped(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	asked := make(chan string, 8)
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		if whom := firstAsked(query); whom != "" {
			asked <- whom
			return []waBinary.Node{{Tag: "usync", Content: []waBinary.Node{{Tag: "list"}}}}
		}
		return collection(query, waBinary.Attrs{"version": "0"})
	})
	c := newCore(t)
	whatsapp.hello(c)
	start(c, historyTaken(t, usyncChunk+1, peopleNote+"=0200@lid"))
	c.complete("lids")
	if len(asked) != 1 {
		t.Fatalf("asked %d times", len(asked))
	}
	if whom := <-asked; whom != "0201@lid" {
		t.Errorf("asked about %s first", whom)
	}
}

func TestPairsOfTheAppStateAreFetchedAnewUntilTheyAreTold(t *testing.T) {
	for name, each := range map[string]struct {
		synced []string
		notes  []string
		want   int
	}{
		"in a first sync":                   {nil, nil, 1},
		"after one was not kept":            {[]string{"pushnames", "lids"}, []string{enrichedNote, missedNote}, 1},
		"but not when all were told before": {[]string{"pushnames", "lids"}, []string{enrichedNote}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			keepTransport(t)
			whatsapp := newSmallWhatsApp(t)
			var fetched atomic.Int32
			whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
				found, ok := query.GetOptionalChildByTag("sync", "collection")
				if ok && found.Attrs["name"] == "regular" && found.Attrs["return_snapshot"] == "true" {
					fetched.Add(1)
				}
				if ok {
					return []waBinary.Node{{Tag: "sync", Content: []waBinary.Node{{
						Tag: "collection", Attrs: waBinary.Attrs{"name": found.Attrs["name"], "version": "0"},
					}}}}
				}
				return nil
			})
			c := newCore(t)
			whatsapp.hello(c)
			s := runs(c, historyTaken(t, 0, each.notes...), func(s *session) {
				for _, feed := range each.synced {
					s.synced[feed] = true
				}
			})
			c.complete("contacts")
			if !slices.Contains(each.synced, "lids") {
				c.complete("lids")
			}
			until(t, "the fetch", func() bool { return fetched.Load() == int32(each.want) })
			until(t, "the note to go", func() bool {
				missed, err := s.store.note(background, missedNote)
				return err == nil && missed != yes
			})
		})
	}
}

func TestAPairThatIsNotKeptIsNoted(t *testing.T) {
	s := standing(t, newCore(t))
	s.book.lids = s.store.container.LIDMap
	event := &events.AppState{
		Index:           []string{"pnForLidChat", "9@lid"},
		SyncActionValue: &waSyncAction.SyncActionValue{PnForLidChatAction: &waSyncAction.PnForLidChatAction{PnJID: proto.String("1@s.whatsapp.net")}},
	}
	if !s.heard(event) {
		t.Error("a pair that can be kept is not taken")
	}
	if missed, err := s.store.note(s.ctx, missedNote); err != nil || missed != "" {
		t.Errorf("it is noted as missed, with %v", err)
	}
	if _, err := s.store.db.Exec(s.ctx, "DROP TABLE lidbook_outbox"); err != nil {
		t.Fatal(err)
	}
	if s.heard(event) {
		t.Error("a pair that cannot be kept is taken")
	}
	if missed, err := s.store.note(s.ctx, missedNote); err != nil || missed != yes {
		t.Errorf("the note is %q, with %v", missed, err)
	}
}
