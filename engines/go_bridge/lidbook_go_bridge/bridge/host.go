package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// protocol is the version of the host protocol that is spoken here.
const protocol = 1

// endOfHost bounds how long the host waits for its sessions when the core has gone.
const endOfHost = 3 * time.Second

// parallelHistories is how many parts of histories are in memory at a time: one unpacks to hundreds of megabytes.
const parallelHistories = 2

// method answers one kind of request. Those that are ordered are done one after the other, as they arrive.
type method struct {
	ordered bool
	answer  func(ctx context.Context, h *host, params json.RawMessage) (any, error)
}

// host is this process: one socket to the core, one network, many sessions.
type host struct {
	wire    *wire
	log     logger
	methods map[string]method
	ctx     context.Context
	cancel  context.CancelFunc

	passkeys  chan struct{} // holds the session that answers for a passkey
	histories chan struct{} // holds those that unpack a part of their history
	lookUp    versionLookUp

	mu       sync.Mutex
	network  *network
	sessions map[string]*session
}

func newHost(socket net.Conn) *host {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWire(socket)
	return &host{
		wire: w, log: logger{wire: w, level: levelInfo}, methods: methods(), ctx: ctx, cancel: cancel,
		passkeys: make(chan struct{}, 1), histories: make(chan struct{}, parallelHistories),
		lookUp: versionLookUp{turn: make(chan struct{}, 1)}, sessions: make(map[string]*session),
	}
}

func methods() map[string]method {
	return map[string]method{
		"hello":                   {ordered: true, answer: hello},
		"ping":                    {ordered: true, answer: ping},
		"session.start":           {ordered: true, answer: startSession},
		"session.stop":            {answer: stopSession},
		"session.logout":          {answer: logoutSession},
		"session.pairing_code":    {answer: call(pairing, (*session).pairingCode)},
		"session.passkey":         {answer: call(pairing, (*session).answerPasskey)},
		"session.passkey_confirm": {answer: call(pairing, (*session).confirmPasskey)},
		"contacts.check":          {answer: call(working, (*session).check)},
		"contacts.about":          {answer: call(working, (*session).about)},
		"contacts.picture":        {answer: call(working, (*session).picture)},
		"contacts.update":         {answer: call(working, (*session).updateContact)},
		"contacts.delete":         {answer: call(working, (*session).deleteContact)},
		"contacts.block":          {answer: call(working, (*session).block)},
		"contacts.unblock":        {answer: call(working, (*session).unblock)},
		"lids.query":              {answer: call(working, (*session).queryLids)},
		"groups.refresh":          {answer: call(working, (*session).refreshGroups)},
	}
}

// serve answers the core until the socket ends.
func (h *host) serve() error {
	return h.wire.receive(h.take)
}

func (h *host) take(request message) {
	found, known := h.methods[request.Method]
	switch {
	case request.ID == nil:
		go h.log.warning("the core sent a notification that is not known", "method", request.Method)
	case !known:
		go h.reply(*request.ID, nil, &rpcError{Code: methodNotFound, Message: fmt.Sprintf("there is no method %q", request.Method)})
	case found.ordered:
		h.answer(request, found)
	default:
		go h.answer(request, found)
	}
}

func (h *host) answer(request message, found method) {
	defer func() {
		if value := recover(); value != nil {
			h.log.error("a request crashed", "method", request.Method, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			go h.reply(*request.ID, nil, failedWith(engineError, nil, "the engine crashed while it did this"))
		}
	}()
	result, err := found.answer(h.ctx, h, request.Params)
	if found.ordered {
		go h.reply(*request.ID, result, err) // whoever reads must not wait for the other side to do so
		return
	}
	h.reply(*request.ID, result, err)
}

func (h *host) reply(id int64, result any, err error) {
	if failed := h.wire.answer(id, result, err); failed != nil && !errors.Is(failed, net.ErrClosed) {
		h.log.error("an answer could not be sent", "error", failed)
	}
}

// close ends all sessions, as far as they end in time.
func (h *host) close() {
	defer h.cancel()
	all, over := h.all(), time.After(endOfHost)
	for _, each := range all {
		each.finish(ending{})
	}
	for _, each := range all {
		select {
		case <-each.done:
		case <-over:
			return
		}
	}
}

func (h *host) all() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*session, 0, len(h.sessions))
	for _, each := range h.sessions {
		all = append(all, each)
	}
	return all
}

func (h *host) find(id string) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[id]
}

// drop forgets a session that is over.
func (h *host) drop(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.id] == s {
		delete(h.sessions, s.id)
	}
}

type helloParams struct {
	Protocol int            `json:"protocol"`
	Network  *networkParams `json:"network"`
	LogLevel string         `json:"log_level"`
	Settings struct {
		Version string `json:"wa_version"`
	} `json:"settings"`
}

func hello(_ context.Context, h *host, raw json.RawMessage) (any, error) {
	params, err := decoded[helloParams](raw)
	if err != nil {
		return nil, err
	}
	if params.Protocol != protocol {
		return nil, badParams{fmt.Errorf("this host speaks protocol %d, not %d", protocol, params.Protocol)}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.network != nil {
		return nil, badParams{errors.New("hello is said once")}
	}
	if params.Settings.Version != "" {
		if err := setVersion(params.Settings.Version); err != nil {
			return nil, err
		}
	}
	if h.network, err = openNetwork(params.Network); err != nil {
		return nil, err
	}
	h.log.level = levelOf(params.LogLevel)
	return map[string]any{
		"protocol": protocol, "name": name, "version": version,
		"library": "whatsmeow " + libraryVersion() + ", WhatsApp Web " + store.GetWAVersion().String(),
	}, nil
}

func libraryVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, each := range info.Deps {
			if each.Path == "go.mau.fi/whatsmeow" {
				return each.Version
			}
		}
	}
	return "of unknown version"
}

func ping(context.Context, *host, json.RawMessage) (any, error) { return struct{}{}, nil }

// decoded reads params; what the protocol does not name is left alone.
func decoded[P any](raw json.RawMessage) (P, error) {
	var params P
	if len(raw) == 0 {
		return params, badParams{errors.New("params is missing")}
	}
	if err := json.Unmarshal(raw, &params); err != nil {
		return params, badParams{fmt.Errorf("params: %w", err)}
	}
	return params, nil
}
