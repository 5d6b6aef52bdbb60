package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// bookServer keeps a collection as a server does: whatsmeow's own decoder checks every MAC of a patch.
type bookServer struct {
	store.NoopStore
	key   []byte
	keyID []byte
	macs  map[string][]byte
	state appstate.HashState
}

func newBookServer() *bookServer {
	return &bookServer{key: bytes.Repeat([]byte{7}, 32), keyID: []byte{0, 1, 2, 3, 4, 5}, macs: make(map[string][]byte)}
}

func (b *bookServer) GetAppStateSyncKey(_ context.Context, id []byte) (*store.AppStateSyncKey, error) {
	if !bytes.Equal(id, b.keyID) {
		return nil, nil
	}
	return &store.AppStateSyncKey{Data: b.key}, nil
}

func (b *bookServer) GetAppStateMutationMAC(_ context.Context, _ string, index []byte) ([]byte, error) {
	return b.macs[hex.EncodeToString(index)], nil
}

func (b *bookServer) PutAppStateVersion(_ context.Context, _ string, version uint64, hash [128]byte) error {
	b.state = appstate.HashState{Version: version, Hash: hash}
	return nil
}

func (b *bookServer) PutAppStateMutationMACs(_ context.Context, _ string, _ uint64, macs []store.AppStateMutationMAC) error {
	for _, each := range macs {
		b.macs[hex.EncodeToString(each.IndexMAC)] = each.ValueMAC
	}
	return nil
}

func (b *bookServer) DeleteAppStateMutationMACs(_ context.Context, _ string, indexes [][]byte) error {
	for _, each := range indexes {
		delete(b.macs, hex.EncodeToString(each))
	}
	return nil
}

func (b *bookServer) encode(t *testing.T, mutations ...mutation) []byte {
	t.Helper()
	raw, err := encodePatch(bookCollection, b.state, b.keyID, b.key, mutations, func(index []byte) ([]byte, error) {
		return b.macs[hex.EncodeToString(index)], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// take is the server's side: it gives a patch its version, verifies and keeps it.
func (b *bookServer) take(raw []byte) ([]appstate.Mutation, error) {
	var patch waServerSync.SyncdPatch
	if err := proto.Unmarshal(raw, &patch); err != nil {
		return nil, err
	}
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(b.state.Version + 1)}
	processor := appstate.NewProcessor(&store.Device{AppState: b, AppStateKeys: b}, waLog.Noop)
	list := &appstate.PatchList{Name: bookCollection, Patches: []*waServerSync.SyncdPatch{&patch}}
	mutations, _, err := processor.DecodePatches(context.Background(), list, b.state, true)
	return mutations, err
}

func TestPatchesPassWhatsmeowsOwnVerification(t *testing.T) {
	server := newBookServer()
	ana := contact{kind: appstate.IndexContact, jid: "5511987654321@s.whatsapp.net", phone: "5511987654321@c.us", lid: "9@lid", firstName: "Ana", fullName: "Ana Lima"}
	bob := contact{kind: appstate.IndexContact, jid: "447700900123@s.whatsapp.net", phone: "447700900123@c.us", firstName: "Bob", fullName: "Bob"}
	renamed := ana
	renamed.fullName = "Ana Souza"
	for _, step := range []struct {
		name      string
		mutations []mutation
		kept      int
	}{
		{"a new contact", []mutation{set(t, ana, true)}, 1},
		{"another name for it", []mutation{set(t, renamed, true)}, 1},
		{"two at once", []mutation{set(t, bob, false), set(t, ana, true)}, 2},
		{"a removal", []mutation{removeContact(ana)}, 1},
		{"a removal of nothing", []mutation{removeContact(ana)}, 1},
		{"a removal beside a contact", []mutation{removeContact(bob), set(t, ana, true)}, 1},
	} {
		mutations, err := server.take(server.encode(t, step.mutations...))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for i, each := range mutations {
			if each.Operation != step.mutations[i].operation {
				t.Errorf("%s: it is a %s", step.name, each.Operation)
			}
			line, ok := contactOf(each)
			if !ok || line.jid != step.mutations[i].index[1] || line.isRemoved() != (each.Operation == waServerSync.SyncdMutation_REMOVE) {
				t.Errorf("%s: it reads %+v", step.name, line)
			}
		}
		if len(server.macs) != step.kept {
			t.Errorf("%s: %d lines are kept, not %d", step.name, len(server.macs), step.kept)
		}
	}
}

func TestAPatchOnTheWrongStateIsRefused(t *testing.T) {
	server := newBookServer()
	ana := contact{kind: appstate.IndexContact, jid: "1@s.whatsapp.net", phone: "1@c.us", firstName: "Ana", fullName: "Ana"}
	raw := server.encode(t, set(t, ana, true))
	if _, err := server.take(raw); err != nil {
		t.Fatal(err)
	}
	if _, err := server.take(raw); !errors.Is(err, appstate.ErrMismatchingLTHash) {
		t.Errorf("taken twice, with %v", err)
	}
}

func set(t *testing.T, line contact, onPhone bool) mutation {
	t.Helper()
	change, err := setContact(line, onPhone)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

func TestALineIsWrittenWhole(t *testing.T) {
	for _, line := range []contact{
		{kind: appstate.IndexContact, jid: "77@lid", phone: "1@c.us", lid: "77@lid", username: "ana", firstName: "Ana", fullName: "Ana Lima"},
		{kind: appstate.IndexContact, jid: "1@s.whatsapp.net", phone: "1@c.us", lid: "77@lid", username: "ana", firstName: "Ana", fullName: "Ana Lima"},
		{kind: appstate.IndexLIDContact, jid: "77@lid", lid: "77@lid", username: "ana", firstName: "Ana", fullName: "Ana Lima"},
	} {
		server := newBookServer()
		mutations, err := server.take(server.encode(t, set(t, line, true)))
		if err != nil {
			t.Fatal(err)
		}
		read, ok := contactOf(mutations[0])
		if line.at = read.at; !ok || read != line {
			t.Errorf("%+v is read back as %+v", line, read)
		}
	}
}
