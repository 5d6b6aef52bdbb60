package main

import (
	"context"
	"errors"
	"strings"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
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
	// askPause lies between two queries about people: nobody waits for them.
	askPause = 100 * time.Millisecond
)

// firstSync tells what history says of people, asks the server for what history leaves out, and reports the feeds of
// push names and LIDs complete.
type firstSync struct {
	session *session
	arrived chan struct{}
}

func newFirstSync(s *session) *firstSync {
	return &firstSync{session: s, arrived: make(chan struct{}, 1)}
}

// run lives as long as the session. What was told completely before is not told again; later parts are.
func (f *firstSync) run(ctx context.Context) {
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
	told := s.synced["pushnames"] && s.synced["lids"]
	if !told {
		if err := f.tellKnown(ctx); err != nil { // of an earlier run, which was not acknowledged to its end
			return err
		}
	}
	done, err := s.store.note(ctx, historyDone)
	if err != nil {
		return err
	}
	for {
		finished, err := f.takeParts(ctx)
		if err != nil {
			return err
		}
		if (finished || done == yes) && !told {
			if err := f.complete(ctx); err != nil {
				return err
			}
			told = true
		}
		var over <-chan time.Time
		if started, err := f.hasBegun(ctx); err != nil {
			return err
		} else if started && !told {
			over = time.After(lastPart)
		}
		select {
		case <-f.arrived:
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
		switch {
		case ctx.Err() != nil:
			return finished, ctx.Err()
		case errors.As(err, &lost):
			s.log.error("a part of the history is lost", "error", err)
		case err != nil:
			return finished, err
		}
		if kind == waE2E.HistorySyncType_PUSH_NAME {
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

func (f *firstSync) hasBegun(ctx context.Context) (bool, error) {
	found, err := f.session.store.seenAfter(ctx, "", 1)
	return len(found) > 0, err
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
	err = f.eachSeen(ctx, func(each seenPerson) error { return told.addAll(each.facts()) })
	if err != nil {
		return err
	}
	return told.flush()
}

func (f *firstSync) eachSeen(ctx context.Context, do func(seenPerson) error) error {
	for last := ""; ; {
		page, err := f.session.store.seenAfter(ctx, last, seenPage)
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

// complete asks the server for what history does not carry, and reports push names and LIDs complete.
func (f *firstSync) complete(ctx context.Context) error {
	s := f.session
	if err := f.awaitBook(ctx); err != nil {
		return err
	}
	people, pairs := 0, 0
	var chunk []types.JID
	ask := func() error {
		defer func() { chunk = chunk[:0] }()
		return f.enrich(ctx, chunk)
	}
	err := f.eachSeen(ctx, func(each seenPerson) error {
		people++
		jid, err := parseUser(each.id)
		if err != nil {
			return err
		}
		if chunk = append(chunk, jid); len(chunk) == usyncChunk {
			return ask()
		}
		return nil
	})
	if err == nil {
		err = ask()
	}
	if err == nil {
		err = f.askForLids(ctx)
	}
	if err != nil {
		return err
	}
	if err := f.eachPair(ctx, func(pair) error { pairs++; return nil }); err != nil {
		return err
	}
	if err := s.teller.sync(ctx, "pushnames", people, true); err != nil {
		return err
	}
	return s.teller.sync(ctx, "lids", pairs, true)
}

// awaitBook waits for the address book, which holds most pairs: who is not in it and shown without a number is hidden.
func (f *firstSync) awaitBook(ctx context.Context) error {
	book := f.session.book
	select {
	case <-book.keyed:
	case <-time.After(keyWait):
		f.session.log.warning("the phone shares no key to the address book; people are asked about without it")
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-book.synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enrich asks the server who of these is a business, verified as what, and who has a username. History says none of it.
func (f *firstSync) enrich(ctx context.Context, people []types.JID) error {
	if len(people) == 0 {
		return nil
	}
	s, begun := f.session, nowMs()
	told := s.teller.batch(ctx)
	users := make([]waBinary.Node, len(people))
	for i, each := range people {
		users[i] = userNode(each)
		if err := f.tellHidden(ctx, told, each, begun); err != nil {
			return err
		}
	}
	question := usync{"query", "background", []waBinary.Node{askBusiness, askUsername, askLid}}
	err := s.askPatiently(ctx, question, users, func(user *waBinary.Node) error {
		jid := user.AttrGetter().OptionalJIDOrEmpty("jid")
		id := userID(jid)
		if id == "" {
			return nil
		}
		var facts []fact
		name, business := verifiedName(user)
		if business {
			facts = append(facts, fieldFact(id, "business", true, fromServer, begun))
		}
		if name != "" {
			facts = append(facts, fieldFact(id, "verified_name", name, fromServer, begun))
		}
		if username := usernameOf(user); username != "" {
			facts = append(facts, fieldFact(id, "username", username, fromServer, begun))
		}
		if lid := lidOf(user); lid != "" && strings.HasSuffix(id, phoneSuffix) {
			facts = append(facts, linkFact(id, lid, fromServer, begun))
		}
		return told.addAll(facts)
	})
	if err != nil {
		return err
	}
	return told.flush()
}

// tellHidden says of somebody whom history shows by LID alone that the number is kept from us.
func (f *firstSync) tellHidden(ctx context.Context, told *batch, jid types.JID, at int64) error {
	if jid.Server != types.HiddenUserServer {
		return nil
	}
	phone, err := f.session.book.lids.GetPNForLID(ctx, jid)
	if err != nil || !phone.IsEmpty() {
		return err
	}
	return told.add(fieldFact(jid.User+lidSuffix, "hidden", true, fromHistory, at))
}

// askForLids asks for the LIDs of saved numbers that the address book gives none for.
func (f *firstSync) askForLids(ctx context.Context) error {
	s := f.session
	lines, err := s.store.allContacts(ctx)
	if err != nil {
		return err
	}
	var users []waBinary.Node
	for _, each := range lines {
		if each.phone == "" || each.lid != "" {
			continue
		}
		jid, err := parseUser(each.phone)
		if err != nil {
			return err
		}
		users = append(users, userNode(jid))
	}
	begun := nowMs()
	told := s.teller.batch(ctx)
	question := usync{"query", "background", []waBinary.Node{askLid}}
	err = s.askPatiently(ctx, question, users, func(user *waBinary.Node) error {
		phone := userID(user.AttrGetter().OptionalJIDOrEmpty("jid"))
		lid := lidOf(user)
		if !strings.HasSuffix(phone, phoneSuffix) || lid == "" {
			return nil
		}
		return told.add(linkFact(phone, lid, fromServer, begun))
	})
	if err != nil {
		return err
	}
	return told.flush()
}

// askPatiently asks about many people whom nobody waits for: with pauses, and again after a rate limit.
func (s *session) askPatiently(ctx context.Context, question usync, users []waBinary.Node, take func(*waBinary.Node) error) error {
	for begin := 0; begin < len(users); {
		end := min(begin+usyncChunk, len(users))
		limit, cancel := context.WithTimeout(ctx, longestCall*time.Second)
		err := s.askChunk(limit, question, users[begin:end], take)
		cancel()
		if !isRefusal(err, 429) {
			if err != nil {
				return err
			}
			isFull := end-begin == usyncChunk // so that more will follow, here or in the next call
			if begin = end; isFull && !s.sleep(askPause) {
				return ctx.Err()
			}
			continue
		}
		known, ok := failureOf(err).(*failure)
		if !ok || !s.sleep(time.Duration(known.retryAfter*float64(time.Second))) {
			return ctx.Err()
		}
	}
	return nil
}
