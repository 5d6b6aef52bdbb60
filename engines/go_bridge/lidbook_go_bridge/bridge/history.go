package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow"
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
	id      int64
	at      int64 // of the message that brought it
	message string
	raw     []byte
}

// heardHistory keeps a part of the history until it is told: the phone does not send it twice.
func (s *session) heardHistory(part *waE2E.HistorySyncNotification, message types.MessageID, at int64) error {
	if !historyWanted[part.GetSyncType()] {
		return nil
	}
	raw, err := proto.Marshal(part)
	if err != nil {
		return err
	}
	if err := s.store.putHistory(s.ctx, historyPart{at: at, message: message, raw: raw}); err != nil {
		return err
	}
	pulse(s.first.arrived)
	return nil
}

func (s *sessionStore) putHistory(ctx context.Context, part historyPart) error {
	_, err := s.db.Exec(ctx, "INSERT INTO lidbook_history (at, message, part) VALUES ($1, $2, $3)", part.at, part.message, part.raw)
	return err
}

func (s *sessionStore) nextHistory(ctx context.Context) (historyPart, bool, error) {
	return first(rows(ctx, s, func(row dbutil.Scannable) (each historyPart, err error) {
		return each, row.Scan(&each.id, &each.at, &each.message, &each.raw)
	}, "SELECT id, at, message, part FROM lidbook_history ORDER BY id LIMIT 1"))
}

func (s *sessionStore) dropHistory(ctx context.Context, part historyPart) error {
	_, err := s.db.Exec(ctx, "DELETE FROM lidbook_history WHERE id = $1", part.id)
	return err
}

// takeHistory writes down what a part of the history says of people, gives whatsmeow what it needs of it, and tells it.
func (s *session) takeHistory(ctx context.Context, part historyPart) (waE2E.HistorySyncType, error) {
	kind, people, pairs, err := s.learnHistory(ctx, part)
	if err != nil {
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

// learnHistory has the part in memory, as few at a time do; it is gone when this returns, and only the people are left.
func (s *session) learnHistory(ctx context.Context, part historyPart) (kind waE2E.HistorySyncType, people []seenPerson, pairs []pair, err error) {
	select {
	case s.host.histories <- struct{}{}:
		defer func() { <-s.host.histories }()
	case <-ctx.Done():
		return 0, nil, nil, ctx.Err()
	}
	var notification waE2E.HistorySyncNotification
	if err := proto.Unmarshal(part.raw, &notification); err != nil {
		return 0, nil, nil, lostHistory{error: err}
	}
	kind = notification.GetSyncType()
	history, err := s.readHistory(ctx, &notification)
	if err != nil {
		return kind, nil, nil, err
	}
	people, pairs = peopleOf(history, part.at)
	if err := s.store.putSeen(ctx, people); err != nil {
		return kind, nil, nil, err
	}
	if err := s.store.putPairs(ctx, pairs); err != nil {
		return kind, nil, nil, err
	}
	return kind, people, pairs, s.passOn(ctx, &notification, history)
}

// lostHistory is a part of the history that cannot be read, now or later; with its key, the phone can be asked for it.
type lostHistory struct {
	error
	mediaKey []byte
}

func (l lostHistory) Unwrap() error { return l.error }

// errNoMedia is what whatsmeow downloads from no media host, without an error.
var errNoMedia = errors.New("WhatsApp named no host to download a part of the history from")

// lastingFailures are those of a download that will not succeed later either: it is gone, or not what was sent.
var lastingFailures = []error{
	whatsmeow.ErrMediaDownloadFailedWith403, whatsmeow.ErrMediaDownloadFailedWith404, whatsmeow.ErrMediaDownloadFailedWith410,
	whatsmeow.ErrNoURLPresent, whatsmeow.ErrTooShortFile, whatsmeow.ErrInvalidMediaHMAC, whatsmeow.ErrInvalidMediaEncSHA256,
	whatsmeow.ErrInvalidMediaSHA256, whatsmeow.ErrInvalidUnencryptedMediaSHA256,
}

func isLasting(err error) bool {
	return slices.ContainsFunc(lastingFailures, func(each error) bool { return errors.Is(err, each) })
}

func (s *session) readHistory(ctx context.Context, notification *waE2E.HistorySyncNotification) (*waHistorySync.HistorySync, error) {
	packed := notification.GetInitialHistBootstrapInlinePayload()
	if len(packed) == 0 {
		var err error
		if packed, err = s.whatsapp().Download(ctx, notification); err != nil {
			err = fmt.Errorf("a part of the history could not be downloaded: %w", err)
			if isLasting(err) {
				return nil, lostHistory{err, notification.GetMediaKey()}
			}
			return nil, err
		}
	}
	if len(packed) == 0 {
		return nil, errNoMedia
	}
	history, err := unpackHistory(packed)
	if err != nil {
		return nil, lostHistory{fmt.Errorf("a part of the history is not packed as it should be: %w", err), notification.GetMediaKey()}
	}
	return history, nil
}

func unpackHistory(packed []byte) (*waHistorySync.HistorySync, error) {
	reader, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(reader, mostHistory+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > mostHistory {
		return nil, errors.New("it is too large")
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
