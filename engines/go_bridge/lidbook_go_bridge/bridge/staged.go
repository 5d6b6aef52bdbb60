package main

import (
	"context"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/store"
)

// stagedState is the address book's app state while it is fetched: what whatsmeow's decoder writes is held back until
// the core has acknowledged the facts of it.
type stagedState struct {
	store.AppStateStore
	reset   bool // begin from nothing
	state   appstate.HashState
	added   map[string][]byte
	removed map[string]bool
}

func newStaged(inner store.AppStateStore, reset bool) *stagedState {
	return &stagedState{AppStateStore: inner, reset: reset, added: make(map[string][]byte), removed: make(map[string]bool)}
}

func (s *stagedState) PutAppStateVersion(_ context.Context, _ string, version uint64, hash [128]byte) error {
	s.state = appstate.HashState{Version: version, Hash: hash}
	return nil
}

func (s *stagedState) DeleteAppStateVersion(context.Context, string) error {
	s.reset, s.state = true, appstate.HashState{}
	clear(s.added)
	clear(s.removed)
	return nil
}

func (s *stagedState) PutAppStateMutationMACs(_ context.Context, _ string, _ uint64, macs []store.AppStateMutationMAC) error {
	for _, each := range macs {
		index := string(each.IndexMAC)
		s.added[index] = each.ValueMAC
		delete(s.removed, index)
	}
	return nil
}

func (s *stagedState) DeleteAppStateMutationMACs(_ context.Context, _ string, indexes [][]byte) error {
	for _, each := range indexes {
		delete(s.added, string(each))
		s.removed[string(each)] = true
	}
	return nil
}

func (s *stagedState) GetAppStateMutationMAC(ctx context.Context, name string, index []byte) ([]byte, error) {
	if found, ok := s.added[string(index)]; ok {
		return found, nil
	}
	if s.reset || s.removed[string(index)] {
		return nil, nil
	}
	return s.AppStateStore.GetAppStateMutationMAC(ctx, name, index)
}

// mostRemoved is how many MACs go in one statement.
const mostRemoved = 400

// commit writes all of it; call it in a transaction.
func (s *stagedState) commit(ctx context.Context) error {
	name := string(bookCollection)
	if s.reset {
		if err := s.AppStateStore.DeleteAppStateVersion(ctx, name); err != nil {
			return err
		}
	}
	if err := s.AppStateStore.PutAppStateVersion(ctx, name, s.state.Version, s.state.Hash); err != nil {
		return err
	}
	gone := make([][]byte, 0, mostRemoved)
	for index := range s.removed {
		gone = append(gone, []byte(index))
		if len(gone) == mostRemoved {
			if err := s.AppStateStore.DeleteAppStateMutationMACs(ctx, name, gone); err != nil {
				return err
			}
			gone = gone[:0]
		}
	}
	if err := s.AppStateStore.DeleteAppStateMutationMACs(ctx, name, gone); err != nil {
		return err
	}
	macs := make([]store.AppStateMutationMAC, 0, len(s.added))
	for index, value := range s.added {
		macs = append(macs, store.AppStateMutationMAC{IndexMAC: []byte(index), ValueMAC: value})
	}
	return s.AppStateStore.PutAppStateMutationMACs(ctx, name, s.state.Version, macs)
}
