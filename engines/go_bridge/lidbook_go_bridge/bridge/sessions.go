package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

const (
	// stopTimeout bounds the stop of a session, in whichever phase: the core kills a host that takes 5 s.
	stopTimeout = 2500 * time.Millisecond
	// longestCall bounds a call that names no timeout.
	longestCall = 60.0
)

// phase is how far a session has come.
type phase int

const (
	starting phase = iota
	pairing
	working
	over
)

type startParams struct {
	Session  string       `json:"session"`
	Folder   string       `json:"folder"`
	Settings settings     `json:"settings"`
	Client   clientParams `json:"client"`
	Synced   []string     `json:"synced"`
}

// settings are the engine's own, of one session.
type settings struct {
	// QRRounds is how often new codes are fetched when nobody scanned those of a connection; six codes a round.
	QRRounds int `json:"qr_rounds"`
	// Version of WhatsApp Web to connect as, for the whole process; empty is the library's.
	Version string `json:"wa_version"`
}

func startSession(_ context.Context, h *host, raw json.RawMessage) (any, error) {
	params, err := decoded[startParams](raw)
	if err != nil {
		return nil, err
	}
	if params.Session == "" || params.Folder == "" {
		return nil, badParams{errors.New("a session needs an id and a folder")}
	}
	if params.Settings.Version != "" {
		if _, err := store.ParseVersion(params.Settings.Version); err != nil {
			return nil, badParams{err}
		}
	}
	s := newSession(h, params)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.network == nil {
		return nil, badParams{errors.New("hello comes before any session")}
	}
	if h.sessions[s.id] != nil {
		return nil, badParams{fmt.Errorf("session %q runs already", s.id)}
	}
	h.sessions[s.id] = s
	go s.run()
	return struct{}{}, nil
}

type sessionParams struct {
	Session string  `json:"session"`
	Timeout float64 `json:"timeout"`
}

func stopSession(ctx context.Context, h *host, raw json.RawMessage) (any, error) {
	params, err := decoded[sessionParams](raw)
	if err != nil {
		return nil, err
	}
	s := h.find(params.Session)
	if s == nil {
		return struct{}{}, nil
	}
	s.finish(ending{})
	select {
	case <-s.done:
	case <-ctx.Done():
	case <-time.After(stopTimeout):
		s.log.warning("the session takes long to end", "seconds", stopTimeout.Seconds())
	}
	return struct{}{}, nil
}

// logoutSession unlinks the device. One that is not linked, or not running, has nothing to tell the server.
func logoutSession(ctx context.Context, h *host, raw json.RawMessage) (any, error) {
	params, err := decoded[sessionParams](raw)
	if err != nil {
		return nil, err
	}
	s := h.find(params.Session)
	if s == nil {
		return nil, notRunning(params.Session)
	}
	if s.phase() != pairing {
		_, err = s.answer(ctx, params.Timeout, working, func(ctx context.Context) (any, error) {
			return nil, s.unlink(ctx)
		})
		if err != nil {
			return nil, err
		}
	}
	s.finish(ending{forget: true})
	select {
	case <-s.done:
		return struct{}{}, nil
	case <-ctx.Done():
		return nil, failureOf(ctx.Err())
	case <-time.After(stopTimeout):
		return nil, failedWith(engineTimeout, nil, "the session takes long to end; its credentials go when it does")
	}
}

// unlink asks the server to remove this device; one that hangs up in answer has done so.
func (s *session) unlink(ctx context.Context) error {
	s.leaving.Store(true)
	client := s.whatsapp()
	_, err := s.query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "md", Type: "set", To: types.ServerJID,
		Content: []waBinary.Node{{
			Tag:   "remove-companion-device",
			Attrs: waBinary.Attrs{"jid": client.Store.GetJID(), "reason": "user_initiated"},
		}},
	})
	var cut *whatsmeow.DisconnectedError
	if errors.As(err, &cut) && cut.Node != nil && cut.Node.Attrs["code"] == "401" {
		return nil
	}
	if err != nil {
		s.leaving.Store(false)
	}
	return err
}

// call makes a method of something that a session answers while it is in a phase.
func call[P, R any](during phase, do func(*session, context.Context, P) (R, error)) func(context.Context, *host, json.RawMessage) (any, error) {
	return func(ctx context.Context, h *host, raw json.RawMessage) (any, error) {
		about, err := decoded[sessionParams](raw)
		if err != nil {
			return nil, err
		}
		params, err := decoded[P](raw)
		if err != nil {
			return nil, err
		}
		s := h.find(about.Session)
		if s == nil {
			return nil, notRunning(about.Session)
		}
		return s.answer(ctx, about.Timeout, during, func(ctx context.Context) (any, error) { return do(s, ctx, params) })
	}
}

func notRunning(id string) error {
	return failedWith(engineDisconnected, nil, "session %q does not run here", id)
}

// answer does something for the core within its time: what takes longer goes on, and is an error nevertheless.
func (s *session) answer(ctx context.Context, timeout float64, during phase, do func(context.Context) (any, error)) (any, error) {
	if err := s.ready(during); err != nil {
		return nil, err
	}
	if timeout <= 0 {
		timeout = longestCall
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(timeout*float64(time.Second)))
	type outcome struct {
		result any
		err    error
	}
	ended := make(chan outcome, 1)
	release := context.AfterFunc(s.ctx, cancel)
	go func() {
		defer cancel()
		defer release()
		defer func() {
			if value := recover(); value != nil {
				s.crashed("a call", value, debug.Stack())
				ended <- outcome{err: failedWith(engineError, nil, "the engine crashed while it did this")}
			}
		}()
		result, err := do(ctx)
		ended <- outcome{result, err}
	}()
	select {
	case found := <-ended:
		if found.err != nil {
			return nil, s.failed(ctx, found.err)
		}
		return found.result, nil
	case <-ctx.Done():
		return nil, s.failed(ctx, ctx.Err())
	}
}

// ready says why a call cannot be made now.
func (s *session) ready(during phase) error {
	now := s.phase()
	switch {
	case now == during:
		return nil
	case now == over:
		return s.why()
	case during == pairing:
		return failedWith(engineError, nil, "the device is not waiting to be linked")
	case now == pairing:
		return failedWith(loggedOut, nil, "the device is not linked to an account yet")
	}
	return failedWith(engineDisconnected, nil, "the session is not connected to WhatsApp yet")
}

// failed is an error in the core's words; that the session ended meanwhile explains whatever else was met.
func (s *session) failed(ctx context.Context, err error) error {
	if s.phase() == over || s.ctx.Err() != nil {
		return s.why()
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && !isKnown(err) {
		return failedWith(engineTimeout, nil, "WhatsApp did not answer in time")
	}
	return failureOf(err)
}

func isKnown(err error) bool {
	var known *failure
	return errors.As(err, &known)
}

// why is the error of every call to a session that is over.
func (s *session) why() error {
	if s.ended().reason == reasonLoggedOut {
		return failedWith(loggedOut, nil, "the device was removed from the account")
	}
	return failedWith(engineDisconnected, nil, "the session is not connected to WhatsApp")
}
