package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/proto/waSyncdSnapshotRecovery"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// prepared makes a folder with a linked device, and does something to its store.
func prepared(t *testing.T, do func(*sessionStore, *store.Device) error) (folder string) {
	t.Helper()
	folder = linked(t)
	opened, _, err := openStore(background, folder, (&libraryLog{log: logger{level: levelError + 1}}))
	if err != nil {
		t.Fatal(err)
	}
	device, err := opened.device(background)
	if err == nil {
		err = do(opened, device)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.close(); err != nil {
		t.Fatal(err)
	}
	return folder
}

// share gives a device the key to what a server has.
func (b *bookServer) share(device *store.Device) error {
	return device.AppStateKeys.PutAppStateSyncKey(background, b.keyID, store.AppStateSyncKey{Data: b.key, Fingerprint: []byte{1}, Timestamp: 1})
}

// collection answers a query about the address book, and nothing else.
func collection(query *waBinary.Node, attributes waBinary.Attrs, content ...waBinary.Node) []waBinary.Node {
	asked, ok := query.GetOptionalChildByTag("sync", "collection")
	if !ok || asked.Attrs["name"] != string(bookCollection) {
		return nil
	}
	attributes["name"] = string(bookCollection)
	return []waBinary.Node{{Tag: "sync", Content: []waBinary.Node{{Tag: "collection", Attrs: attributes, Content: content}}}}
}

func isListed(c *core) bool {
	return slices.ContainsFunc(all[factsParams](c, "facts"), func(told factsParams) bool {
		return slices.ContainsFunc(told.Facts, func(each json.RawMessage) bool {
			return strings.Contains(string(each), "contact_list")
		})
	})
}

func (c *core) logged(text string) {
	c.t.Helper()
	c.await("the log to say "+text, func(heard message) bool {
		return heard.Method == "log" && strings.Contains(string(heard.Params), text)
	})
}

func TestARefusalIsNoEmptyAddressBook(t *testing.T) {
	for name, answer := range map[string]func(*waBinary.Node) []waBinary.Node{
		"an error of the collection": func(query *waBinary.Node) []waBinary.Node {
			failed := waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": "500", "text": "internal-server-error"}}
			return collection(query, waBinary.Attrs{"type": "error"}, failed)
		},
		"nothing at all": func(query *waBinary.Node) []waBinary.Node { return collection(query, waBinary.Attrs{}) },
		"a version without what led to it": func(query *waBinary.Node) []waBinary.Node {
			return collection(query, waBinary.Attrs{"version": "7"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			keepTransport(t)
			whatsapp := newSmallWhatsApp(t)
			whatsapp.answers(answer)
			c := newCore(t)
			whatsapp.hello(c)
			start(c, prepared(t, func(opened *sessionStore, device *store.Device) error {
				ana := contact{kind: appstate.IndexContact, jid: "1@s.whatsapp.net", phone: "1@c.us", firstName: "Ana", fullName: "Ana"}
				if err := opened.putContact(background, ana); err != nil {
					return err
				}
				return newBookServer().share(device)
			}))
			c.logged("the address book could not be fetched")
			if isListed(c) {
				t.Error("the address book was told to be empty")
			}
		})
	}
}

func TestAnAddressBookThatIsEmptyIsTold(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		return collection(query, waBinary.Attrs{"version": "0"})
	})
	c := newCore(t)
	whatsapp.hello(c)
	start(c, prepared(t, func(_ *sessionStore, device *store.Device) error { return newBookServer().share(device) }))
	c.await("the sync of contacts", func(heard message) bool {
		return heard.Method == "sync" && strings.Contains(string(heard.Params), "contacts")
	})
	if !isListed(c) {
		t.Error("the empty list was not told")
	}
}

// runs starts a session as the host does, with something of it changed before.
func runs(c *core, folder string, change func(*session)) *session {
	s := newSession(c.host, startParams{Session: "s", Folder: folder})
	change(s)
	c.host.mu.Lock()
	c.host.sessions[s.id] = s
	c.host.mu.Unlock()
	go s.run()
	return s
}

// patch is one patch as the server tells it, beside the version it leads to.
func (b *bookServer) patch(t *testing.T, version uint64, mutations ...mutation) waBinary.Node {
	t.Helper()
	var patch waServerSync.SyncdPatch
	if err := proto.Unmarshal(b.encode(t, mutations...), &patch); err != nil {
		t.Fatal(err)
	}
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(version)}
	raw, err := proto.Marshal(&patch)
	if err != nil {
		t.Fatal(err)
	}
	return waBinary.Node{Tag: "patches", Content: []waBinary.Node{{Tag: "patch", Content: raw}}}
}

// ofThePhone is a message that the account's phone sends to its devices.
func ofThePhone(content *waE2E.ProtocolMessage) *events.Message {
	me := types.NewJID("12025550100", types.DefaultUserServer)
	return &events.Message{
		Info: types.MessageInfo{
			ID: "M1", Category: "peer", Timestamp: time.Now(),
			MessageSource: types.MessageSource{Chat: me, Sender: me, IsFromMe: true},
		},
		RawMessage: &waE2E.Message{ProtocolMessage: content},
	}
}

var anaLima = contact{
	kind: appstate.IndexContact, jid: "1@s.whatsapp.net", phone: "1@c.us", lid: "77@lid", firstName: "Ana", fullName: "Ana Lima",
}

func TestThePhoneIsAskedForAKeyThatItDoesNotShare(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	server := newBookServer()
	patch := server.patch(t, 1, set(t, anaLima, true))
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		return collection(query, waBinary.Attrs{"version": "1"}, patch)
	})
	c := newCore(t)
	whatsapp.hello(c)
	runs(c, linked(t), func(s *session) { s.book.keyWait = time.Millisecond })
	c.logged("Sending key request") // which is all: this network has no phone to encrypt for
	if isListed(c) {
		t.Error("the address book was told without having been read")
	}
}

func TestAnAddressBookThatDoesNotVerifyIsHadFromThePhone(t *testing.T) {
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	server := newBookServer()
	line := set(t, anaLima, true)
	patch := server.patch(t, 5, line) // its MACs are those of the first version
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		if found, ok := query.GetOptionalChildByTag("sync", "collection"); ok && found.Attrs["version"] == "6" {
			return collection(query, waBinary.Attrs{"version": "6"})
		}
		return collection(query, waBinary.Attrs{"version": "5"}, patch)
	})
	c := newCore(t)
	whatsapp.hello(c)
	s := runs(c, prepared(t, func(_ *sessionStore, device *store.Device) error { return server.share(device) }), func(*session) {})
	c.logged("the phone could not be asked for the address book") // there is none here to encrypt for
	index, err := json.Marshal(line.index)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&waSyncdSnapshotRecovery.SyncdSnapshotRecovery{
		Version: &waSyncdSnapshotRecovery.SyncdVersion{Version: proto.Uint64(6)}, CollectionName: proto.String(string(bookCollection)),
		CollectionLthash: make([]byte, hashSize),
		MutationRecords: []*waSyncdSnapshotRecovery.SyncdPlainTextRecord{{
			Value: &waSyncAction.SyncActionData{Index: index, Value: line.value}, KeyID: server.keyID, Mac: make([]byte, macSize),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.heardMessage(ofThePhone(&waE2E.ProtocolMessage{
		PeerDataOperationRequestResponseMessage: &waE2E.PeerDataOperationRequestResponseMessage{
			PeerDataOperationResult: []*waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult{{
				SyncdSnapshotFatalRecoveryResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_SyncDSnapshotFatalRecoveryResponse{
					CollectionSnapshot: raw, IsCompressed: proto.Bool(false),
				},
			}},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	c.await("the sync of contacts", func(heard message) bool {
		return heard.Method == "sync" && strings.Contains(string(heard.Params), "contacts")
	})
	kept, found, err := s.store.contactUnder(background, anaLima.kind, anaLima.jid)
	if err != nil || !found || kept.fullName != anaLima.fullName {
		t.Errorf("kept is %+v, with %v", kept, err)
	}
	if version, _, err := s.book.state.GetAppStateVersion(background, string(bookCollection)); err != nil || version != 6 {
		t.Errorf("the version is %d, with %v", version, err)
	}
}

func TestASharedKeyIsKeptBeforeItsMessageIsAcknowledged(t *testing.T) {
	_, c := greeted(t)
	s := runs(c, linked(t), func(*session) {})
	c.status("WORKING")
	share := &waE2E.AppStateSyncKeyShare{Keys: []*waE2E.AppStateSyncKey{{
		KeyID:   &waE2E.AppStateSyncKeyId{KeyID: []byte{0, 1, 2, 3, 4, 5}},
		KeyData: &waE2E.AppStateSyncKeyData{KeyData: make([]byte, 32), Timestamp: proto.Int64(1)},
	}}}
	if !s.handler(nil)(ofThePhone(&waE2E.ProtocolMessage{AppStateSyncKeyShare: share})) {
		t.Error("the message is not taken")
	}
	if id, err := s.book.keys.GetLatestAppStateSyncKeyID(background); err != nil || len(id) != 6 {
		t.Errorf("the key kept is %x, with %v", id, err)
	}
}
