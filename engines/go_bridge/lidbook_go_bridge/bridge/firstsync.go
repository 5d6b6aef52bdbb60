package main

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
)

const (
	// historyDone is the note that the phone has handed over the names of the history.
	historyDone = "history"
	yes         = "yes"
	// lastPart is how long after a part of the history another one is waited for; push names are the last that counts.
	lastPart = 60 * time.Second
	// keyWait is how long the phone may take to share the key to the address book.
	keyWait  = 60 * time.Second
	seenPage = 1000
	// bookWait is how long the address book may take whose key is there, before people are asked about without it.
	bookWait = 5 * time.Minute
	// mostReuploads is how often the phone is asked for a part of one kind again.
	mostReuploads = 3
)

// firstSync tells what history says of people, asks the server for what history leaves out, and reports the feeds of
// push names and LIDs complete.
type firstSync struct {
	session *session
	arrived chan struct{}
	asking  *enrichment
	known   bool // what an earlier run took over was looked at, and told again if need be
	lost    bool // a part was lost; nothing may follow it
	told    bool // the feeds are complete
	reasked map[waE2E.HistorySyncType]int
}

func newFirstSync(s *session) *firstSync {
	return &firstSync{
		session: s, arrived: make(chan struct{}, 1), asking: &enrichment{session: s},
		reasked: make(map[waE2E.HistorySyncType]int),
	}
}

// run lives as long as the session. What was told completely before is not told again; later parts are.
func (f *firstSync) run(ctx context.Context) {
	f.told = f.session.synced["pushnames"] && f.session.synced["lids"]
	for pause := bookPause; ; pause = min(2*pause, longestBookPause) {
		err := f.begin(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		f.session.log.warning("the history could not be told; it is tried again", "error", err, "seconds", pause.Seconds())
		if !f.session.sleep(pause) {
			return
		}
	}
}

func (f *firstSync) begin(ctx context.Context) error {
	s := f.session
	if !f.known {
		if !f.told {
			if err := f.tellKnown(ctx); err != nil { // of an earlier run, which was not acknowledged to its end
				return err
			}
		}
		if err := f.asking.prepare(ctx, f.told); err != nil {
			return err
		}
		f.known = true
	}
	done, err := s.store.note(ctx, historyDone)
	if err != nil {
		return err
	}
	pause := bookPause
	for {
		finished, err := f.takeParts(ctx)
		if err != nil {
			return err
		}
		if (finished || done == yes) && !f.told {
			if err := f.complete(ctx); err != nil {
				return err
			}
		}
		var over, again <-chan time.Time
		if started, err := f.hasBegun(ctx); err != nil {
			return err
		} else if started && !f.told {
			over = time.After(lastPart)
		}
		if f.told && !f.asking.done {
			again = time.After(pause)
			pause = min(2*pause, longestBookPause)
		}
		select {
		case <-f.arrived:
		case <-again:
			if err := f.asking.run(ctx); err != nil {
				f.asking.failed(ctx, err)
			}
		case <-over:
			s.log.info("no push names followed the history, which is taken as it is")
			done = yes
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeParts takes over what has arrived; finished says that the push names were among it.
func (f *firstSync) takeParts(ctx context.Context) (finished bool, err error) {
	s := f.session
	for {
		part, found, err := s.store.nextHistory(ctx)
		if err != nil || !found {
			return finished, err
		}
		kind, err := s.takeHistory(ctx, part)
		var lost lostHistory
		isLost := errors.As(err, &lost)
		switch {
		case ctx.Err() != nil:
			return finished, ctx.Err()
		case isLost:
			f.lost = true
			s.log.error("a part of the history is lost", "kind", kind.String(), "error", err)
			if err := f.askAgain(ctx, kind, part, lost); err != nil {
				return finished, err
			}
		case err != nil:
			return finished, err
		}
		if kind == waE2E.HistorySyncType_PUSH_NAME && !isLost {
			finished = true
			if err := s.store.keep(ctx, historyDone, yes); err != nil {
				return finished, err
			}
		}
		if err := s.store.dropHistory(ctx, part); err != nil {
			return finished, err
		}
	}
}

// askAgain has the phone upload a part again that was lost; it comes as a message of its own, some time or never.
func (f *firstSync) askAgain(ctx context.Context, kind waE2E.HistorySyncType, part historyPart, lost lostHistory) error {
	if len(lost.mediaKey) == 0 || part.message == "" || f.reasked[kind] == mostReuploads {
		return nil
	}
	f.reasked[kind]++
	return f.session.whatsapp().SendHistorySyncServerErrorReceipt(ctx, part.message, lost.mediaKey)
}

func (f *firstSync) hasBegun(ctx context.Context) (bool, error) {
	found, err := f.session.store.seenAfter(ctx, "", 1)
	return f.lost || len(found) > 0, err
}

// tellKnown tells everybody and every pair that history showed so far; the core takes it twice, in any order.
func (f *firstSync) tellKnown(ctx context.Context) error {
	told := f.session.teller.batch(ctx)
	err := f.eachPair(ctx, func(each pair) error {
		return told.add(each.fact())
	})
	if err != nil {
		return err
	}
	err = f.session.eachSeen(ctx, "", func(each seenPerson) error { return told.addAll(each.facts()) })
	if err != nil {
		return err
	}
	return told.flush()
}

// eachSeen does something with everybody seen whose id comes after one.
func (s *session) eachSeen(ctx context.Context, last string, do func(seenPerson) error) error {
	for {
		page, err := s.store.seenAfter(ctx, last, seenPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, each := range page {
			if err := do(each); err != nil {
				return err
			}
		}
		last = page[len(page)-1].id
	}
}

func (f *firstSync) eachPair(ctx context.Context, do func(pair) error) error {
	for last := ""; ; {
		page, err := f.session.store.pairsAfter(ctx, last, seenPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, each := range page {
			if err := do(each); err != nil {
				return err
			}
		}
		last = page[len(page)-1].lid
	}
}

// complete asks the server for what history does not carry, and reports push names and LIDs complete: what the server
// does not answer now is asked for later, and keeps nothing back.
func (f *firstSync) complete(ctx context.Context) error {
	s := f.session
	if err := f.awaitBook(ctx); err != nil {
		return err
	}
	if err := f.asking.run(ctx); err != nil {
		f.asking.failed(ctx, err)
	}
	people, pairs := 0, 0
	if err := s.eachSeen(ctx, "", func(seenPerson) error { people++; return nil }); err != nil {
		return err
	}
	if err := f.eachPair(ctx, func(pair) error { pairs++; return nil }); err != nil {
		return err
	}
	if err := s.teller.sync(ctx, "pushnames", people, true); err != nil {
		return err
	}
	if err := s.teller.sync(ctx, "lids", pairs, true); err != nil {
		return err
	}
	f.told = true
	return nil
}

// awaitBook waits for the address book, which holds most pairs: who is not in it and shown without a number is hidden.
func (f *firstSync) awaitBook(ctx context.Context) error {
	book := f.session.book
	select {
	case <-book.keyed:
	case <-book.synced:
		return nil
	case <-time.After(book.keyWait):
		f.session.log.warning("the phone shares no key to the address book; people are asked about without it")
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-book.synced:
	case <-time.After(bookWait):
		f.session.log.warning("the address book takes long; people are asked about without it")
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
