package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Notes of how far the server was asked about people, so that a lost connection does not begin it anew.
const (
	enrichedNote = "enriched"     // yes when all of it was asked
	peopleNote   = "people asked" // the last id
	numbersNote  = "lids asked"   // the last number
	missedNote   = "pairs missed" // yes when a pair of the app state could not be kept
)

const (
	// askPause lies between two queries about people: nobody waits for them.
	askPause = 100 * time.Millisecond
	// mostPauses is how often in a row a rate limit is waited for, each time twice as long, before something else is done.
	mostPauses = 3
)

var errPairsMissed = errors.New("pairs of the app state could not be kept")

// enrichment asks the server for what history leaves out: whose numbers these LIDs are, who is a business, who has a
// username. Nothing waits for it.
type enrichment struct {
	session *session
	pairs   bool // of the app state beside the address book; they are to be fetched
	done    bool
	missed  atomic.Bool // a pair was not kept since the last fetch began
}

// prepare reads how far an earlier run came. told says that the core has the feeds; when it has not although everything
// was asked, its directory is a new one.
func (e *enrichment) prepare(ctx context.Context, told bool) error {
	store := e.session.store
	done, err := store.note(ctx, enrichedNote)
	if err != nil {
		return err
	}
	missed, err := store.note(ctx, missedNote)
	if err != nil {
		return err
	}
	if done == yes && !told {
		for _, each := range []string{enrichedNote, peopleNote, numbersNote} {
			if err := store.keep(ctx, each, ""); err != nil {
				return err
			}
		}
		done = ""
	}
	e.pairs = missed == yes || !told
	e.done = done == yes && !e.pairs
	return nil
}

// run asks from where it stopped to the end. That pairs cannot be fetched keeps it from nothing else.
func (e *enrichment) run(ctx context.Context) error {
	var failed error
	if e.pairs {
		failed = e.fetchPairs(ctx)
		e.pairs = failed != nil
	}
	if err := e.askPeople(ctx); err != nil {
		return errors.Join(failed, err)
	}
	if err := e.askNumbers(ctx); err != nil {
		return errors.Join(failed, err)
	}
	e.done = failed == nil
	return errors.Join(failed, e.session.store.keep(ctx, enrichedNote, yes))
}

func (e *enrichment) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		e.session.log.warning("the server does not say more of people; it is asked again later", "error", err)
	}
}

// fetchPairs fetches the part of the app state anew that holds pairs: whatsmeow keeps its version before the pairs are
// told, so that a process that ended in between never hears of them again.
func (e *enrichment) fetchPairs(ctx context.Context) error {
	e.missed.Store(false)
	err := e.session.whatsapp().FetchAppState(ctx, appstate.WAPatchRegular, true, false)
	if errors.Is(err, appstate.ErrKeyNotFound) {
		return nil // whatsmeow asks the phone for the key, and fetches all when it comes
	}
	if err != nil {
		return err
	}
	if e.missed.Load() {
		return errPairsMissed
	}
	return e.session.store.keep(ctx, missedNote, "")
}

// miss notes that a pair of the app state was not kept; the next run fetches them all.
func (e *enrichment) miss(ctx context.Context) error {
	e.missed.Store(true)
	return e.session.store.keep(ctx, missedNote, yes)
}

// askPeople asks about everybody whom history showed.
func (e *enrichment) askPeople(ctx context.Context) error {
	last, err := e.session.store.note(ctx, peopleNote)
	if err != nil {
		return err
	}
	var chunk []types.JID
	ask := func() error {
		if len(chunk) == 0 {
			return nil
		}
		if err := e.enrich(ctx, chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
		return e.session.store.keep(ctx, peopleNote, last)
	}
	err = e.session.eachSeen(ctx, last, func(each seenPerson) error {
		jid, err := parseUser(each.id)
		if err != nil {
			return err
		}
		last = each.id
		if chunk = append(chunk, jid); len(chunk) == usyncChunk {
			return ask()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ask()
}

// enrich asks the server who of these is a business, verified as what, and who has a username. History says none of it.
func (e *enrichment) enrich(ctx context.Context, people []types.JID) error {
	s, begun := e.session, nowMs()
	told := s.teller.batch(ctx)
	users := make([]waBinary.Node, len(people))
	for i, each := range people {
		users[i] = userNode(each)
		if err := e.tellHidden(ctx, told, each, begun); err != nil {
			return err
		}
	}
	question := usync{"query", "background", []waBinary.Node{askBusiness, askUsername, askLid}, limitedBy}
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
func (e *enrichment) tellHidden(ctx context.Context, told *batch, jid types.JID, at int64) error {
	if jid.Server != types.HiddenUserServer {
		return nil
	}
	phone, err := e.session.book.lids.GetPNForLID(ctx, jid)
	if err != nil || !phone.IsEmpty() {
		return err
	}
	return told.add(fieldFact(jid.User+lidSuffix, "hidden", true, fromHistory, at))
}

// askNumbers asks for the LIDs of saved numbers that the address book gives none for.
func (e *enrichment) askNumbers(ctx context.Context) error {
	s := e.session
	last, err := s.store.note(ctx, numbersNote)
	if err != nil {
		return err
	}
	lines, err := s.store.allContacts(ctx)
	if err != nil {
		return err
	}
	lines = slices.DeleteFunc(lines, func(each contact) bool { return each.phone <= last || each.lid != "" })
	slices.SortFunc(lines, func(one, other contact) int { return cmp.Compare(one.phone, other.phone) })
	for each := range slices.Chunk(lines, usyncChunk) {
		if err := e.askChunkOfNumbers(ctx, each); err != nil {
			return err
		}
		if err := s.store.keep(ctx, numbersNote, each[len(each)-1].phone); err != nil {
			return err
		}
	}
	return nil
}

func (e *enrichment) askChunkOfNumbers(ctx context.Context, lines []contact) error {
	users := make([]waBinary.Node, len(lines))
	for i, each := range lines {
		jid, err := parseUser(each.phone)
		if err != nil {
			return err
		}
		users[i] = userNode(jid)
	}
	begun := nowMs()
	told := e.session.teller.batch(ctx)
	question := usync{"query", "background", []waBinary.Node{askLid}, askLid.Tag}
	err := e.session.askPatiently(ctx, question, users, func(user *waBinary.Node) error {
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

// askPatiently asks about some people whom nobody waits for: with a pause, and again after a rate limit, which is said
// to last longer each time.
func (s *session) askPatiently(ctx context.Context, question usync, users []waBinary.Node, take func(*waBinary.Node) error) error {
	for longer := 1.0; ; longer *= 2 {
		limit, cancel := context.WithTimeout(ctx, longestCall*time.Second)
		err := s.askChunk(limit, question, users, take)
		cancel()
		if err == nil && len(users) == usyncChunk && !s.sleep(askPause) { // more will follow
			return ctx.Err()
		}
		var known *failure
		if !isRefusal(err, 429) || !errors.As(failureOf(err), &known) || longer == 1<<mostPauses {
			return err
		}
		if !s.sleep(time.Duration(longer * known.retryAfter * float64(time.Second))) {
			return ctx.Err()
		}
	}
}
