package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

const (
	// skew is how far the phone's clock may be behind ours without a contact being lost that it saves during a sync.
	skew = time.Minute
	// bookPause is the pause after a fetch that failed; it doubles up to the longest.
	bookPause        = 2 * time.Second
	longestBookPause = 5 * time.Minute
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
}

func newBook(s *session) *book {
	return &book{
		session: s, asked: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		keyed: make(chan struct{}), synced: make(chan struct{}),
	}
}

// pulse says that there is, or may be, something new in the address book.
func (b *book) pulse() { pulse(b.asked) }

// follow fetches the address book at once, and again whenever there is something new.
func (b *book) follow(ctx context.Context) {
	pause := bookPause
	for {
		err := b.fetch(ctx)
		var again <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = bookPause
		case errors.Is(err, errNoKeys), errors.Is(err, appstate.ErrKeyNotFound):
			// They come from the phone, and whatsmeow asks for the version then, which is a pulse.
			b.session.log.debug("the address book waits for its keys")
		default:
			b.session.log.warning("the address book could not be fetched; it is tried again", "error", err, "seconds", pause.Seconds())
			again = time.After(pause)
			pause = min(2*pause, longestBookPause)
		}
		select {
		case <-b.asked:
		case <-again:
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
	if key == nil {
		return errNoKeys
	}
	b.noteKey()
	all := !b.whole && !b.session.synced["contacts"]
	err = b.fetchPages(ctx, all)
	if isBroken(err) {
		b.session.log.warning("the address book does not verify and is fetched anew", "error", err)
		all = true
		err = b.fetchPages(ctx, all)
	}
	if err != nil {
		return err
	}
	if all {
		lines, err := b.session.store.allContacts(ctx)
		if err != nil {
			return err
		}
		if err := b.session.teller.sync(ctx, "contacts", len(lines), true); err != nil {
			return err
		}
	}
	if !b.whole {
		b.whole = true
		close(b.synced)
	}
	return nil
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
	internals := b.session.internals()
	found := newPages(b, all)
	for more, reset := true, all; more; reset = false {
		list, err := internals.FetchAppStatePatches(ctx, bookCollection, state.Version, reset)
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
			b.session.internals().RequestMissingAppStateKeys(ctx, list)
		}
		return state, err
	}
	lines, err := found.tell(ctx, mutations)
	if err != nil {
		return state, err
	}
	if err := b.storePairs(ctx, saved(lines)); err != nil {
		return state, err
	}
	staged.state = next
	// What the core has acknowledged is kept, even if the session is stopped meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storing)
	defer cancel()
	return next, b.session.store.db.DoTxn(ctx, nil, func(ctx context.Context) error {
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

// pages are the mutations of one fetch, told as they come.
type pages struct {
	book   *book
	all    bool
	named  map[[2]string]contact // what stands after a fetch of everything
	newest int64
}

func newPages(b *book, all bool) *pages {
	return &pages{book: b, all: all, named: make(map[[2]string]contact)}
}

// tell tells the core of mutations, and returns the lines as they leave them, one an index.
func (p *pages) tell(ctx context.Context, mutations []appstate.Mutation) ([]contact, error) {
	told := p.book.session.teller.batch(ctx)
	lines := make(map[[2]string]contact, len(mutations))
	for _, each := range mutations {
		line, username, ok := contactOf(each)
		if !ok {
			continue
		}
		key := [2]string{line.kind, line.jid}
		before, known := lines[key]
		if !known {
			var err error
			if before, known, err = p.book.session.store.contactUnder(ctx, line.kind, line.jid); err != nil {
				return nil, err
			}
		}
		if each.Operation == waServerSync.SyncdMutation_REMOVE && known {
			line = before.removed(line.at)
		}
		lines[key] = line
		p.newest = max(p.newest, line.at)
		if p.all {
			p.named[key] = line
		}
		if err := told.addAll(line.facts()); err != nil {
			return nil, err
		}
		if username != "" {
			if err := told.add(fieldFact(line.user(), "username", username, fromHistory, line.at)); err != nil {
				return nil, err
			}
		}
	}
	flat := make([]contact, 0, len(lines))
	for _, each := range lines {
		flat = append(flat, each)
	}
	return flat, told.flush()
}

// tellGone tells of lines that a fetch of everything did not show any more: a snapshot says nothing of removals. Those
// that another device of ours was told of are gone by the whole list, which is of a minute ago: what is saved during
// the fetch by a phone whose clock is late must not fall behind it.
func (p *pages) tellGone(ctx context.Context, begun int64) error {
	kept, err := p.book.session.store.allContacts(ctx)
	if err != nil {
		return err
	}
	told := p.book.session.teller.batch(ctx)
	var users []string
	var gone []contact
	for _, each := range kept {
		if _, named := p.named[[2]string{each.kind, each.jid}]; named {
			users = append(users, each.user())
			continue
		}
		gone = append(gone, each)
		if err := told.addAll(each.removed(p.newest).facts()); err != nil {
			return err
		}
	}
	at := max(p.newest, begun-skew.Milliseconds())
	if err := told.add(contactListFact(users, fromAddressBook, at)); err != nil {
		return err
	}
	if err := told.flush(); err != nil {
		return err
	}
	return p.book.session.store.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		for _, each := range gone {
			if err := p.book.session.store.dropContact(ctx, each); err != nil {
				return err
			}
		}
		return nil
	})
}

// indexJID is under which index a person is saved who is not in the address book yet.
func indexJID(phone, lid types.JID) types.JID {
	if !phone.IsEmpty() {
		return phone.ToNonAD()
	}
	return lid.ToNonAD()
}
