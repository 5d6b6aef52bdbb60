package main

import (
	"context"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
)

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
		line, ok := contactOf(each)
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
