package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// mostHistory bounds a part of the history when it is inflated.
const mostHistory = 512 << 20

// Kinds of history that hold names, chats or pairs. The others are messages.
var historyWanted = map[waE2E.HistorySyncType]bool{
	waE2E.HistorySyncType_INITIAL_BOOTSTRAP: true,
	waE2E.HistorySyncType_PUSH_NAME:         true,
	waE2E.HistorySyncType_NON_BLOCKING_DATA: true,
}

// historyPart is a part of the history that waits to be told.
type historyPart struct {
	id  int64
	at  int64 // of the message that brought it
	raw []byte
}

// heardHistory keeps a part of the history until it is told: the phone does not send it twice.
func (s *session) heardHistory(part *waE2E.HistorySyncNotification, at int64) error {
	if !historyWanted[part.GetSyncType()] {
		return nil
	}
	raw, err := proto.Marshal(part)
	if err != nil {
		return err
	}
	if _, err = s.store.db.Exec(s.ctx, "INSERT INTO lidbook_history (at, part) VALUES ($1, $2)", at, raw); err != nil {
		return err
	}
	pulse(s.first.arrived)
	return nil
}

func (s *sessionStore) nextHistory(ctx context.Context) (historyPart, bool, error) {
	return first(rows(ctx, s, func(row dbutil.Scannable) (each historyPart, err error) {
		return each, row.Scan(&each.id, &each.at, &each.raw)
	}, "SELECT id, at, part FROM lidbook_history ORDER BY id LIMIT 1"))
}

func (s *sessionStore) dropHistory(ctx context.Context, part historyPart) error {
	_, err := s.db.Exec(ctx, "DELETE FROM lidbook_history WHERE id = $1", part.id)
	return err
}

// takeHistory writes down what a part of the history says of people, tells it, and gives whatsmeow what it needs of it.
func (s *session) takeHistory(ctx context.Context, part historyPart) (waE2E.HistorySyncType, error) {
	var notification waE2E.HistorySyncNotification
	if err := proto.Unmarshal(part.raw, &notification); err != nil {
		return 0, lostHistory{err}
	}
	kind := notification.GetSyncType()
	history, err := s.readHistory(ctx, &notification)
	if err != nil {
		return kind, lostHistory{err}
	}
	people, pairs := peopleOf(history, part.at)
	if err := s.store.putSeen(ctx, people); err != nil {
		return kind, err
	}
	if err := s.store.putPairs(ctx, pairs); err != nil {
		return kind, err
	}
	if err := s.passOn(ctx, &notification, history); err != nil {
		return kind, err
	}
	told := s.teller.batch(ctx)
	for _, each := range pairs {
		if err := told.add(each.fact()); err != nil {
			return kind, err
		}
	}
	for _, each := range people {
		if err := told.addAll(each.facts()); err != nil {
			return kind, err
		}
	}
	return kind, told.flush()
}

// lostHistory is a part of the history that cannot be read, now or later.
type lostHistory struct{ error }

func (s *session) readHistory(ctx context.Context, notification *waE2E.HistorySyncNotification) (*waHistorySync.HistorySync, error) {
	packed := notification.GetInitialHistBootstrapInlinePayload()
	if packed == nil {
		var err error
		if packed, err = s.whatsapp().Download(ctx, notification); err != nil {
			return nil, fmt.Errorf("a part of the history could not be downloaded: %w", err)
		}
	}
	reader, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("a part of the history is not packed as it should be: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(reader, mostHistory+1))
	if err != nil {
		return nil, fmt.Errorf("a part of the history is not packed as it should be: %w", err)
	}
	if len(raw) > mostHistory {
		return nil, errors.New("a part of the history is too large")
	}
	history := new(waHistorySync.HistorySync)
	return history, proto.Unmarshal(raw, history)
}

// passOn has whatsmeow keep its own share, the privacy tokens above all: without push names, which it writes one by
// one, and without messages, whose secrets nobody needs here.
func (s *session) passOn(ctx context.Context, notification *waE2E.HistorySyncNotification, history *waHistorySync.HistorySync) error {
	history.Pushnames, history.StatusV3Messages = nil, nil
	for _, each := range history.GetConversations() {
		each.Messages = nil
	}
	raw, err := proto.Marshal(history)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	writer := zlib.NewWriter(&packed)
	if _, err := writer.Write(raw); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	_, err = s.whatsapp().DownloadHistorySync(ctx, &waE2E.HistorySyncNotification{
		SyncType: notification.SyncType, InitialHistBootstrapInlinePayload: packed.Bytes(),
	}, true)
	return err
}

// peopleOf reads who is in a part of the history. Push names carry no time: they are as of the chat with the person, else
// of the message that brought them. Usernames and pairs stand in the conversations, and in lists of their own as well.
func peopleOf(history *waHistorySync.HistorySync, at int64) (people []seenPerson, pairs []pair) {
	seen := make(map[string]*seenPerson)
	of := func(id string) *seenPerson {
		if seen[id] == nil {
			seen[id] = &seenPerson{id: id}
		}
		return seen[id]
	}
	paired, lids := make(map[string]string), make(map[string]string)
	addPair := func(one, other types.JID) {
		if phone, lid := phoneAndLid(one, other); phone != "" && lid != "" {
			paired[lid], lids[phone] = phone, lid
		}
	}
	for _, each := range history.GetPhoneNumberToLidMappings() {
		addPair(parsed(each.GetPnJID()), parsed(each.GetLidJID()))
	}
	for _, each := range history.GetConversations() {
		jid := parsed(each.GetID())
		addPair(jid, parsed(each.GetPnJID()))
		addPair(jid, parsed(each.GetLidJID()))
		addPair(parsed(each.GetPnJID()), parsed(each.GetLidJID()))
		id := userID(jid)
		if id == "" {
			continue
		}
		who := of(ownID(id, lids))
		who.chatAt = max(who.chatAt, conversationTime(each, at))
		if each.GetUsername() != "" {
			who.username, who.usernameAt = each.GetUsername(), at
		}
	}
	for _, each := range history.GetAccounts() {
		if id := userID(parsed(each.GetLid())); id != "" && each.GetUsername() != "" && !each.GetIsUsernameDeleted() {
			who := of(id)
			who.username, who.usernameAt = each.GetUsername(), at
		}
	}
	for _, each := range history.GetPushnames() {
		if id := userID(parsed(each.GetID())); id != "" && each.GetPushname() != "" && each.GetPushname() != "-" {
			who := of(ownID(id, lids))
			who.pushname, who.pushnameAt = each.GetPushname(), at
			if who.chatAt > 0 {
				who.pushnameAt = who.chatAt
			}
		}
	}
	for _, each := range seen {
		people = append(people, *each)
	}
	for lid, phone := range paired {
		pairs = append(pairs, pair{lid, phone, at})
	}
	return people, pairs
}

// conversationTime is when a chat was last busy, in milliseconds; WhatsApp counts seconds.
func conversationTime(chat *waHistorySync.Conversation, at int64) int64 {
	seconds := max(chat.GetConversationTimestamp(), chat.GetLastMsgTimestamp())
	if seconds == 0 || int64(seconds)*1000 > at {
		return at
	}
	return int64(seconds) * 1000
}

// ownID is under what a person's own doings are told: the LID, which stays with them when the number does not.
func ownID(id string, lids map[string]string) string {
	if lid, known := lids[id]; known {
		return lid
	}
	return id
}

// parsed reads an identifier of a protobuf; what is none is empty.
func parsed(text string) types.JID {
	if text == "" {
		return types.EmptyJID
	}
	jid, err := types.ParseJID(text)
	if err != nil {
		return types.EmptyJID
	}
	return jid
}
