package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waSyncdSnapshotRecovery"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

const (
	// skew is how far the phone's clock may be behind ours without a contact being lost that it saves during a sync.
	skew = time.Minute
	// bookPause is the pause after a fetch that failed; it doubles up to the longest.
	bookPause        = 2 * time.Second
	longestBookPause = 5 * time.Minute
	// keyPause is after how long without a key the address book is fetched again, which asks the phone for it.
	keyPause = 6 * time.Hour
)

// book is the account's address book: fetched from the app state, told to the core, and written.
type book struct {
	session *session
	state   store.AppStateStore // whatsmeow's own, past the guard
	keys    store.AppStateSyncKeyStore
	lids    store.LIDStore
	asked   chan struct{}
	turn    chan struct{} // who fetches or writes
	keyed   chan struct{} // closed when the phone has shared a key
	synced  chan struct{} // closed when all of it was told
	whole   bool          // the same, for whoever has the turn
	// keyWait is how long the phone may take to share a key by itself; keyless says that it is over.
	keyWait time.Duration
	keyless atomic.Bool
	// recovery is what the phone answered to a request for an address book that verifies.
	recovery  atomic.Pointer[waSyncdSnapshotRecovery.SyncdSnapshotRecovery]
	requested atomic.Bool
}

func newBook(s *session) *book {
	return &book{
		session: s, asked: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		keyed: make(chan struct{}), synced: make(chan struct{}), keyWait: keyWait,
	}
}

// pulse says that there is, or may be, something new in the address book.
func (b *book) pulse() { pulse(b.asked) }

// follow fetches the address book at once, and again whenever there is something new.
func (b *book) follow(ctx context.Context) {
	pause, waited := bookPause, time.After(b.keyWait)
	for {
		err := b.fetch(ctx)
		var again <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause, waited = bookPause, nil
		case errors.Is(err, errNoKeys), errors.Is(err, appstate.ErrKeyNotFound):
			// They come from the phone, and whatsmeow asks for the version then, which is a pulse.
			b.session.log.debug("the address book waits for its keys")
			again = time.After(keyPause)
		default:
			b.session.log.warning("the address book could not be fetched; it is tried again", "error", err, "seconds", pause.Seconds())
			again = time.After(pause)
			pause = min(2*pause, longestBookPause)
		}
		select {
		case <-b.asked:
		case <-again:
		case <-waited:
			b.keyless.Store(true)
		case <-ctx.Done():
			return
		}
	}
}

var errNoKeys = failedWith(engineError, nil, "the phone has not shared its keys to the address book yet; try again in a minute")

// fetch takes over what is new; all of it, unless the core was told all of it before.
func (b *book) fetch(ctx context.Context) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.release()
	return b.fetchInTurn(ctx)
}

func (b *book) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *book) release() { <-b.turn }

func (b *book) fetchInTurn(ctx context.Context) error {
	key, err := b.keys.GetLatestAppStateSyncKeyID(ctx)
	if err != nil {
		return err
	}
	if key != nil {
		b.noteKey()
	} else if !b.keyless.Load() {
		return errNoKeys
	} // else what cannot be decoded says which key to ask the phone for
	recovered, err := b.takeRecovery(ctx)
	if err != nil {
		return err
	}
	all := !recovered && !b.whole && !b.session.synced["contacts"]
	if recovered {
		if err := b.noteAll(ctx); err != nil {
			return err
		}
	}
	err = b.fetchPages(ctx, all)
	if isBroken(err) {
		b.session.log.warning("the address book does not verify and is fetched anew", "error", err)
		all = true
		err = b.fetchPages(ctx, all)
	}
	if isBroken(err) {
		b.requestRecovery()
	}
	if err != nil {
		return err
	}
	if all {
		return b.noteAll(ctx)
	}
	b.noteWhole()
	return nil
}

// noteAll reports that the core was told all of the address book.
func (b *book) noteAll(ctx context.Context) error {
	lines, err := b.session.store.allContacts(ctx)
	if err != nil {
		return err
	}
	if err := b.session.teller.sync(ctx, "contacts", len(lines), true); err != nil {
		return err
	}
	b.noteWhole()
	return nil
}

func (b *book) noteWhole() {
	if !b.whole {
		b.whole = true
		close(b.synced)
	}
}

func (b *book) noteKey() {
	select {
	case <-b.keyed:
	default:
		close(b.keyed)
	}
}

func isBroken(err error) bool {
	for _, each := range []error{
		appstate.ErrMismatchingLTHash, appstate.ErrMismatchingPatchMAC, appstate.ErrMismatchingContentMAC,
		appstate.ErrMismatchingIndexMAC, appstate.ErrMissingPreviousSetValueOperation,
	} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// fetchPages fetches what the server has beyond the version we have, or everything.
func (b *book) fetchPages(ctx context.Context, all bool) error {
	begun := nowMs()
	var state appstate.HashState
	if !all {
		version, hash, err := b.state.GetAppStateVersion(ctx, string(bookCollection))
		if err != nil {
			return err
		}
		state = appstate.HashState{Version: version, Hash: hash}
	}
	all = all || state.Version == 0
	found := newPages(b, all)
	for more, reset := true, all; more; reset = false {
		list, err := b.fetchPatches(ctx, state.Version, reset)
		if err != nil {
			return err
		}
		if state, err = b.takeOver(ctx, list, state, reset, found); err != nil {
			return err
		}
		more = list.HasMorePatches
	}
	if all {
		return found.tellGone(ctx, begun)
	}
	return nil
}

// takeOver decodes a list of patches, tells the core, and only then keeps the version they lead to.
func (b *book) takeOver(ctx context.Context, list *appstate.PatchList, state appstate.HashState, reset bool, found *pages) (appstate.HashState, error) {
	staged := newStaged(b.state, reset)
	staged.state = state
	processor := appstate.NewProcessor(&store.Device{AppState: staged, AppStateKeys: b.keys}, b.session.libraryLog)
	mutations, next, err := processor.DecodePatches(ctx, list, state, true)
	if err != nil {
		if errors.Is(err, appstate.ErrKeyNotFound) {
			internals := b.session.internals()
			b.session.begin("a request for keys", func() { internals.RequestMissingAppStateKeys(b.session.ctx, list) })
		}
		return state, err
	}
	staged.state = next
	return next, b.keep(ctx, mutations, staged, found)
}

// keep tells the core of mutations, and then keeps them and the version they lead to.
func (b *book) keep(ctx context.Context, mutations []appstate.Mutation, staged *stagedState, found *pages) error {
	lines, err := found.tell(ctx, mutations)
	if err != nil {
		return err
	}
	if err := b.storePairs(ctx, saved(lines)); err != nil {
		return err
	}
	// What the core has acknowledged is kept, even if the session is stopped meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storing)
	defer cancel()
	return b.session.store.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		for _, each := range lines {
			write := b.session.store.putContact
			if each.isRemoved() {
				write = b.session.store.dropContact
			}
			if err := write(ctx, each); err != nil {
				return err
			}
		}
		return staged.commit(ctx)
	})
}

// saved are the lines that were not removed.
func saved(lines []contact) []contact {
	return slices.DeleteFunc(slices.Clone(lines), contact.isRemoved)
}

// storePairs gives the phone's pairs to whatsmeow, which leaves them alone otherwise.
func (b *book) storePairs(ctx context.Context, lines []contact) error {
	var pairs []store.LIDMapping
	for _, each := range lines {
		if each.phone == "" || each.lid == "" {
			continue
		}
		phone, err := parseUser(each.phone)
		if err != nil {
			return err
		}
		lid, err := parseUser(each.lid)
		if err != nil {
			return err
		}
		pairs = append(pairs, store.LIDMapping{LID: lid, PN: phone})
	}
	return b.lids.PutManyLIDMappings(ctx, pairs)
}

// indexJID is under which index a person is saved who is not in the address book yet.
func indexJID(phone, lid types.JID) types.JID {
	if !phone.IsEmpty() {
		return phone.ToNonAD()
	}
	return lid.ToNonAD()
}
