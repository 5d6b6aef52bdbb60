package main

import (
	"context"
	"errors"
	"go/ast"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

func TestTheCallersOfPairsAreWhatsmeows(t *testing.T) {
	methods := make(map[string]bool)
	for _, file := range sourcesOf(t, "go.mau.fi/whatsmeow") {
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv != nil {
				methods[function.Name.Name] = true
			}
		}
	}
	for each := range pairCallers {
		if !methods[each] {
			t.Errorf("whatsmeow has no method %s any more", each)
		}
	}
}

func TestWhatsmeowIsKeptFromTheAddressBook(t *testing.T) {
	s := standing(t, newCore(t))
	state := guardedState{&store.NoopStore{}, s.book}
	for _, name := range appstate.AllPatchNames {
		_, _, err := state.GetAppStateVersion(s.ctx, string(name))
		if errors.Is(err, errOwned) != (name == bookCollection) {
			t.Errorf("%s: %v", name, err)
		}
	}
	select {
	case <-s.book.asked:
	default:
		t.Error("the host does not fetch it in its place")
	}
}

func TestAPairOfWhatsmeowsIsToldOnce(t *testing.T) {
	s := standing(t, newCore(t))
	watched := watchedLIDs{s.store.container.LIDMap, s}
	pair := []store.LIDMapping{{LID: types.NewJID("9", "lid"), PN: types.NewJID("1", "s.whatsapp.net")}, {}}
	if err := watched.PutManyLIDMappings(context.Background(), pair); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := s.store.db.QueryRow(s.ctx, "SELECT count(*) FROM lidbook_outbox WHERE fact LIKE '%\"lid\":\"9@lid\"%'").Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d facts are kept, with %v", kept, err)
	}
	phone, err := watched.GetPNForLID(s.ctx, pair[0].LID)
	if err != nil || phone.User != "1" {
		t.Errorf("the pair is not in the map: %v, %v", phone, err)
	}
}
