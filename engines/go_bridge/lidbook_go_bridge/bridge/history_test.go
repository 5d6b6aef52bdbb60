package main

import (
	"slices"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

func TestPeopleOfTheHistory(t *testing.T) {
	const at = 1_700_000_000_000
	text, number := proto.String, proto.Uint64
	history := &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_INITIAL_BOOTSTRAP.Enum(),
		Conversations: []*waHistorySync.Conversation{
			{ID: text("11@lid"), PnJID: text("1@s.whatsapp.net"), ConversationTimestamp: number(1_600_000_000), Username: text("one")},
			{ID: text("2@s.whatsapp.net"), LidJID: text("22@lid"), LastMsgTimestamp: number(1_500_000_000)},
			{ID: text("3@s.whatsapp.net"), ConversationTimestamp: number(9_999_999_999)},
			{ID: text("120363000000000000@g.us"), ConversationTimestamp: number(1_600_000_000)},
			{ID: text("status@broadcast")},
		},
		PhoneNumberToLidMappings: []*waHistorySync.PhoneNumberToLIDMapping{
			{PnJID: text("3@c.us"), LidJID: text("33@lid")},
			{PnJID: text("nonsense"), LidJID: text("44@lid")},
		},
		Accounts: []*waHistorySync.Account{{Lid: text("55@lid"), Username: text("five")}},
		Pushnames: []*waHistorySync.Pushname{
			{ID: text("11@lid"), Pushname: text("One")},
			{ID: text("2@s.whatsapp.net"), Pushname: text("-")},
			{ID: text("66@lid"), Pushname: text("Six")},
		},
	}
	people, pairs := peopleOf(history, at)
	for _, want := range []seenPerson{
		{"11@lid", 1_600_000_000_000, "One", 1_600_000_000_000, "one", at},
		{"22@lid", 1_500_000_000_000, "", 0, "", 0},
		{"33@lid", at, "", 0, "", 0}, // a time of the future is none
		{"55@lid", 0, "", 0, "five", at},
		{"66@lid", 0, "Six", at, "", 0},
	} {
		if !slices.Contains(people, want) {
			t.Errorf("%+v is missing in %+v", want, people)
		}
	}
	if len(people) != 5 {
		t.Errorf("%d people were found: %+v", len(people), people)
	}
	for _, want := range []pair{{"11@lid", "1@c.us", at}, {"22@lid", "2@c.us", at}, {"33@lid", "3@c.us", at}} {
		if !slices.Contains(pairs, want) {
			t.Errorf("%+v is missing in %+v", want, pairs)
		}
	}
	if len(pairs) != 3 {
		t.Errorf("%d pairs were found: %+v", len(pairs), pairs)
	}
}

// withHistory is a linked device that was sent a part of the history.
func withHistory(t *testing.T, part *waE2E.HistorySyncNotification) (folder string) {
	t.Helper()
	return prepared(t, func(opened *sessionStore, _ *store.Device) error {
		raw, err := proto.Marshal(part)
		if err != nil {
			return err
		}
		return opened.putHistory(background, historyPart{at: 1, message: "M1", raw: raw})
	})
}

func TestAPartOfTheHistoryIsKeptUntilItCouldBeDownloaded(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		if query.Attrs["xmlns"] != "w:m" {
			return nil
		}
		return []waBinary.Node{{Tag: "media_conn", Attrs: waBinary.Attrs{"auth": "a", "ttl": "60", "auth_ttl": "60", "max_buckets": "1"}}}
	})
	c := newCore(t)
	whatsapp.hello(c)
	start(c, withHistory(t, &waE2E.HistorySyncNotification{
		SyncType: waE2E.HistorySyncType_PUSH_NAME.Enum(), DirectPath: proto.String("/v/names"), MediaKey: make([]byte, 32),
		FileEncSHA256: make([]byte, 32), FileSHA256: make([]byte, 32),
	}))
	c.logged(errNoMedia.Error())
	s := c.host.find("s")
	if _, kept, err := s.store.nextHistory(background); err != nil || !kept {
		t.Errorf("it is thrown away, with %v", err)
	}
	if done, err := s.store.note(background, historyDone); err != nil || done != "" {
		t.Errorf("the history is said to be done, with %v", err)
	}
}

func TestThePhoneIsAskedForNamesThatAreLost(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	asked := make(chan waBinary.Node, 1)
	whatsapp.hears(func(stanza *waBinary.Node) {
		if stanza.Tag == "receipt" {
			asked <- *stanza
		}
	})
	c := newCore(t)
	whatsapp.hello(c)
	start(c, withHistory(t, &waE2E.HistorySyncNotification{
		SyncType: waE2E.HistorySyncType_PUSH_NAME.Enum(), MediaKey: make([]byte, 32),
		InitialHistBootstrapInlinePayload: []byte("this was never packed"),
	}))
	c.status("WORKING")
	receipt := <-asked
	if receipt.Attrs["type"] != "server-error" || receipt.Attrs["id"] != "M1" {
		t.Errorf("it is asked with %v", receipt.Attrs)
	}
	s := c.host.find("s")
	until(t, "the part to be dropped", func() bool {
		_, kept, err := s.store.nextHistory(background)
		return err == nil && !kept
	})
	if done, err := s.store.note(background, historyDone); err != nil || done != "" {
		t.Errorf("the history is said to be done, with %v", err)
	}
}
