package main

import (
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
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
