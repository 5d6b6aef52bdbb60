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
	waLog "go.mau.fi/whatsmeow/util/log"
)

const (
	// hangUpTimeout bounds the end of a connection: whatsmeow waits for a dial under way.
	hangUpTimeout = 4 * time.Second
	// windDownTimeout bounds the end of what runs beside the connection.
	windDownTimeout = 4 * time.Second
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
	leaving atomic.Bool // it is being logged out by us
	dialled atomic.Bool // there is, or was, a connection that is not hung up

	mu     sync.Mutex
	now    phase
	last   ending
	wa     *whatsmeow.Client
	groups map[string]bool
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
	opened, damaged, err := openStore(s.ctx, s.folder, s.libraryLog)
	if err != nil {
		return failing(reasonRuntime, fmt.Errorf("the session's store cannot be opened: %w", err))
	}
	s.store = opened
	device, err := opened.device(s.ctx)
	if err != nil {
		return failing(reasonRuntime, err)
	}
	s.tellStatus(statusParams{Status: "STARTING", Detail: orNil(s.lostLink(damaged, device == nil))})
	if device == nil {
		if ended, linked := s.link(); !linked {
			return ended
		}
		if device, err = opened.device(s.ctx); err != nil || device == nil {
			return failing(reasonRuntime, errors.Join(errors.New("the linked device is not in the store"), err))
		}
	}
	return s.connect(device)
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
// looks at a callback, unguarded, when the one happens while the other does.
func (s *session) free(ended ending) {
	if !s.dialled.Load() {
		s.cancel()
	}
	if client := s.whatsapp(); client != nil {
		s.hangUp(client)
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
	if err := closing(); err != nil {
		s.log.error("the session's store could not be closed", "error", err)
	}
}

// hangUp closes a connection. It waits, but not for a handshake that the server does not answer: that ends by itself.
func (s *session) hangUp(client *whatsmeow.Client) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		client.RemoveEventHandlers()
		client.Disconnect()
	}()
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
