package main

import (
	"context"
	"encoding/json"
	"strings"

	"go.mau.fi/util/dbutil"
)

// outbox keeps the facts of messages and notifications until the core has them: WhatsApp sends neither again once they
// are acknowledged, and a handler must not wait for the core.
type outbox struct {
	session *session
	filled  chan struct{}
}

type queued struct {
	id   int64
	text string
}

func newOutbox(s *session) *outbox {
	return &outbox{session: s, filled: make(chan struct{}, 1)}
}

// put writes facts down; when it returns without an error they will be told, even if the host is killed now.
func (o *outbox) put(ctx context.Context, facts ...fact) error {
	if len(facts) == 0 {
		return nil
	}
	marks := strings.TrimSuffix(strings.Repeat("(?), ", len(facts)), ", ")
	values := make([]any, len(facts))
	for i, each := range facts {
		values[i] = string(each.text)
	}
	if _, err := o.session.store.db.Exec(ctx, "INSERT INTO lidbook_outbox (fact) VALUES "+marks, values...); err != nil {
		return err
	}
	o.pulse()
	return nil
}

func (o *outbox) pulse() {
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

// empty tells what there is, as long as the session lives.
func (o *outbox) empty(ctx context.Context) {
	for {
		for {
			told, err := o.tellSome(ctx)
			if err != nil {
				if ctx.Err() == nil {
					o.session.finish(failing(reasonOf(err), err))
				}
				return
			}
			if !told {
				break
			}
		}
		select {
		case <-o.filled:
		case <-ctx.Done():
			return
		}
	}
}

func (o *outbox) tellSome(ctx context.Context) (bool, error) {
	store := o.session.store
	found, err := rows(ctx, store, func(row dbutil.Scannable) (each queued, err error) {
		return each, row.Scan(&each.id, &each.text)
	}, "SELECT id, fact FROM lidbook_outbox ORDER BY id LIMIT $1", mostFacts/2)
	if err != nil || len(found) == 0 {
		return false, err
	}
	facts := make([]fact, len(found))
	for i, each := range found {
		facts[i] = fact{json.RawMessage(each.text), 1}
	}
	if err := o.session.teller.tell(ctx, facts...); err != nil {
		return false, err
	}
	_, err = store.db.Exec(ctx, "DELETE FROM lidbook_outbox WHERE id <= $1", found[len(found)-1].id)
	return true, err
}
