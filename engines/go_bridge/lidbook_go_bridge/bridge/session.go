package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
)

const (
	// hangUpTimeout bounds the end of a connection: a server that does not answer the close would be waited for 5 s.
	hangUpTimeout = time.Second
	// windDownTimeout bounds the end of what runs beside the connection.
	windDownTimeout = time.Second
)

// session is one linked device, or one that waits to be linked, from its start to its end.
type session struct {
	id         string
	folder     string
	settings   settings
	client     clientParams
	synced     map[string]bool
	host       *host
	log        logger
	libraryLog waLog.Logger

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing of it runs any more
	ending chan ending   // why it ends; the first one counts
	work   sync.WaitGroup

	store   *sessionStore
	teller  *teller
	outbox  *outbox
	book    *book
	first   *firstSync
	pairing pairingState
	leaving atomic.Bool              // it is being logged out by us
	dialled atomic.Bool              // there is, or was, a connection that is not hung up
	version store.WAVersionContainer // that the last connection named

	mu     sync.Mutex
	now    phase
	last   ending
	wa     *whatsmeow.Client
	groups groupList
}

func newSession(h *host, params startParams) *session {
	ctx, cancel := context.WithCancel(h.ctx)
	log := h.log.of(params.Session)
	s := &session{
		id: params.Session, folder: params.Folder, settings: params.Settings, client: params.Client,
		synced: make(map[string]bool), host: h, log: log, libraryLog: &libraryLog{log: log, over: ctx.Done()},
		ctx: ctx, cancel: cancel, done: make(chan struct{}), ending: make(chan ending, 1),
	}
	for _, feed := range params.Synced {
		s.synced[feed] = true
	}
	s.teller = newTeller(s)
	s.outbox = newOutbox(s)
	s.book = newBook(s)
	s.first = newFirstSync(s)
	s.pairing.changed = make(chan struct{})
	return s
}

// run is the life of the session. It is over, and everything freed, before its end is told: the core may start the next
// one at once.
func (s *session) run() {
	defer close(s.done)
	ended := s.live()
	s.mu.Lock()
	s.now, s.last = over, ended
	s.mu.Unlock()
	s.free(ended)
	s.host.drop(s)
	if ended.reason != "" {
		s.tellStatus(statusParams{Status: "FAILED", Reason: orNil(ended.reason), Detail: orNil(ended.detail)})
	}
}

// live opens the store, links the device if need be, connects and waits for an end.
func (s *session) live() (ended ending) {
	defer func() {
		if value := recover(); value != nil {
			ended = s.crash("the session", value, debug.Stack())
		}
	}()
	if version := s.settings.Version; version != "" {
		if err := setVersion(version); err != nil {
			return failing(reasonRuntime, err)
		}
	}
	opened, ended, ok := s.open()
	if !ok {
		return ended
	}
	device, err := s.store.device(s.ctx)
	if err != nil {
		return failing(reasonOf(err), err)
	}
	s.tellStatus(statusParams{Status: "STARTING", Detail: orNil(s.lostLink(opened.damaged, device == nil))})
	if device == nil {
		if ended, linked := s.link(); !linked {
			return s.orOutdated(ended)
		}
		if device, err = s.store.device(s.ctx); err != nil || device == nil {
			return failing(reasonOf(err), errors.Join(errors.New("the linked device is not in the store"), err))
		}
	}
	return s.connect(device)
}

// openedStore is a store that was opened, or why it was not.
type openedStore struct {
	store   *sessionStore
	damaged error
	err     error
}

// open opens the store, which takes long when another process is busy with it. An end does not wait for that: what is
// opened afterwards is closed again.
func (s *session) open() (opened openedStore, ended ending, ok bool) {
	opening := make(chan openedStore)
	s.begin("opening the store", func() {
		found := s.openStore()
		select {
		case opening <- found:
		case <-s.ctx.Done():
			if found.err == nil {
				s.close(found.store.close)
			}
		}
	})
	select {
	case found := <-opening:
		if found.err != nil {
			return found, failing(reasonOf(found.err), fmt.Errorf("the session's store cannot be opened: %w", found.err)), false
		}
		s.store = found.store
		return found, ending{}, true
	case why := <-s.ending:
		return openedStore{}, why, false
	}
}

func (s *session) openStore() (found openedStore) {
	found.store, found.damaged, found.err = openStore(s.ctx, s.folder, s.libraryLog)
	return found
}

func (s *session) close(store func() error) {
	if err := store(); err != nil {
		s.log.error("the session's store could not be closed", "error", err)
	}
}

// lostLink says that an account that was linked before has to be linked again, and why.
func (s *session) lostLink(damaged error, unlinked bool) string {
	why := ""
	switch {
	case damaged != nil:
		why = "the session's store is damaged, so the account has to be linked again; the old file is kept as " + quarantined
	case unlinked && len(s.synced) > 0:
		why = "the session's credentials are gone, so the account has to be linked again"
	default:
		return ""
	}
	s.log.warning(why, "error", damaged)
	return why
}

// finish ends the session; only the first reason counts.
func (s *session) finish(why ending) {
	select {
	case s.ending <- why:
	default:
	}
}

// free ends the connection and all work, and closes the store. A connection is hung up before its context ends: whatsmeow
// looks at a callback, unguarded, when the one happens while the other does. One that is still being dialled ends with
// its context alone: to hang it up, whatsmeow would wait for the handshake.
//
// The handlers stay: an event for which there is none counts as handled, and is not sent again. They refuse what comes
// once the context is over.
func (s *session) free(ended ending) {
	if s.dialled.Load() {
		s.hangUp(s.whatsapp())
	}
	s.cancel()
	wound := make(chan struct{})
	go func() {
		s.work.Wait()
		close(wound)
	}()
	select {
	case <-wound:
	case <-time.After(windDownTimeout):
		s.log.warning("something of the session still runs")
	}
	if s.store == nil {
		return
	}
	closing := s.store.close
	if ended.forget {
		closing = s.store.forget
	}
	s.close(closing)
}

// hangUp closes a connection. It waits, but not long: what the server does not answer ends with the context.
func (s *session) hangUp(client *whatsmeow.Client) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		client.Disconnect()
	}()
	defer s.dialled.Store(false)
	select {
	case <-closed:
	case <-time.After(hangUpTimeout):
		s.log.warning("the connection takes long to close")
	}
}

// begin does something beside the connection until the session ends; a panic in it is the session's end.
func (s *session) begin(what string, do func()) {
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer func() {
			if value := recover(); value != nil {
				s.crashed(what, value, debug.Stack())
			}
		}()
		do()
	}()
}

// crashed ends the session after a panic.
func (s *session) crashed(where string, value any, stack []byte) {
	s.finish(s.crash(where, value, stack))
}

func (s *session) crash(where string, value any, stack []byte) ending {
	s.log.error("a panic ended the session", "where", where, "panic", fmt.Sprint(value), "stack", string(stack))
	return ending{reason: reasonCrashed, detail: fmt.Sprintf("%s crashed: %v", where, value)}
}

func (s *session) phase() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *session) enter(next phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = next
}

func (s *session) ended() ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// whatsapp is the client of the connection there is, or was.
func (s *session) whatsapp() *whatsmeow.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wa
}

func (s *session) use(client *whatsmeow.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wa = client
}

// sleep pauses; it says whether the session still lives then.
func (s *session) sleep(how time.Duration) bool {
	timer := time.NewTimer(how)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
