package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// mostFacts and mostBytes bound one message of facts.
	mostFacts = 4000
	mostBytes = 4 << 20
)

// teller hands facts to the core: one message at a time, each acknowledged after the core's COMMIT.
type teller struct {
	session *session
	opened  chan struct{} // closed when WORKING was told; before that, nobody knows whose facts they are
	turn    chan struct{}
}

func newTeller(s *session) *teller {
	return &teller{session: s, opened: make(chan struct{}), turn: make(chan struct{}, 1)}
}

type factsParams struct {
	Session string            `json:"session"`
	Facts   []json.RawMessage `json:"facts"`
}

type syncParams struct {
	Session  string `json:"session"`
	Feed     string `json:"feed"`
	Expected *int   `json:"expected"`
	Received *int   `json:"received"`
	Complete bool   `json:"complete"`
}

// tell returns when all these facts are in the directory.
func (t *teller) tell(ctx context.Context, facts ...fact) error {
	batch := t.batch(ctx)
	for _, each := range facts {
		if err := batch.add(each); err != nil {
			return err
		}
	}
	return batch.flush()
}

// sync reports how far a first sync has come; complete only after its last facts are in the directory.
func (t *teller) sync(ctx context.Context, feed string, received int, complete bool) error {
	params := syncParams{Session: t.session.id, Feed: feed, Received: &received, Complete: complete}
	if complete {
		params.Expected = &received
	}
	return t.ask(ctx, "sync", params)
}

// ask waits for its turn and for the core's answer. That the core does not take what it is told is the session's end:
// nothing is lost, for what was not acknowledged is told again when it is started.
func (t *teller) ask(ctx context.Context, method string, params any) error {
	select {
	case <-t.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	// Not the caller's context: what is on its way is in flight until the core has answered.
	err := t.session.host.wire.call(t.session.ctx, method, params, nil)
	var refused *rpcError
	if errors.As(err, &refused) {
		why := ending{reason: reasonRuntime, detail: fmt.Sprintf("the directory did not take %s: %s", method, refused.Message)}
		switch refused.Data.Code {
		case loggedOut:
			why.reason = reasonLoggedOut
		case storageFailed:
			why.reason = reasonStorage
		}
		t.session.log.error("the core refused what it was told", "method", method, "error", refused.Message, "code", string(refused.Data.Code))
		t.session.finish(why)
	}
	return err
}

// batch collects facts and tells them some thousand at a time, so that memory is bounded whatever their number.
type batch struct {
	teller *teller
	ctx    context.Context
	facts  []json.RawMessage
	weight int
	bytes  int
}

func (t *teller) batch(ctx context.Context) *batch {
	return &batch{teller: t, ctx: ctx}
}

func (b *batch) add(each fact) error {
	if b.weight > 0 && (b.weight+each.weight > mostFacts || b.bytes+len(each.text) > mostBytes) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.facts = append(b.facts, each.text)
	b.weight += each.weight
	b.bytes += len(each.text)
	return nil
}

func (b *batch) addAll(facts []fact) error {
	for _, each := range facts {
		if err := b.add(each); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) flush() error {
	if len(b.facts) == 0 {
		return nil
	}
	told := factsParams{Session: b.teller.session.id, Facts: b.facts}
	b.facts, b.weight, b.bytes = nil, 0, 0
	return b.teller.ask(b.ctx, "facts", told)
}
