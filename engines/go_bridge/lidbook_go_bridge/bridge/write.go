package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// mostTries is how often a change to the address book is sent that meets somebody else's.
const mostTries = 3

type updateParams struct {
	Person      person  `json:"person"`
	FirstName   string  `json:"first_name"`
	LastName    *string `json:"last_name"`
	SaveOnPhone bool    `json:"save_on_phone"`
}

type updateResult struct {
	Person    person  `json:"person"`
	FirstName *string `json:"first_name"`
	LastName  *string `json:"last_name"`
	FullName  *string `json:"full_name"`
	At        int64   `json:"at"` // of the line, in milliseconds
}

type deleteParams struct {
	Person person `json:"person"`
}

// updateContact writes a contact under the index it has, else under the server's spelling of the number, and answers
// what the server holds then.
func (s *session) updateContact(ctx context.Context, params updateParams) (*updateResult, error) {
	if err := s.book.beginWriting(ctx); err != nil {
		return nil, err
	}
	defer s.book.release()
	target, known, err := s.book.target(ctx, params.Person)
	if err != nil {
		return nil, err
	}
	line := target.contact
	line.firstName = strings.TrimSpace(params.FirstName)
	line.fullName = line.firstName
	if params.LastName != nil {
		line.fullName = strings.TrimSpace(line.firstName + " " + strings.TrimSpace(*params.LastName))
	}
	changed, err := setContact(line, params.SaveOnPhone)
	if err != nil {
		return nil, err
	}
	changes := []mutation{changed}
	if known {
		for _, each := range target.others {
			changes = append(changes, removeContact(each))
		}
	}
	if err := s.book.write(ctx, changes); err != nil {
		return nil, err
	}
	written, found, err := s.store.contactUnder(ctx, line.kind, line.jid)
	if err != nil {
		return nil, err
	}
	if !found || written.fullName != line.fullName || written.firstName != line.firstName {
		return nil, failedWith(changeNotTaken, nil, "WhatsApp took the contact but shows another one when it is read back; try again")
	}
	return &updateResult{
		Person:    person{orNil(written.phone), orNil(written.lid), params.Person.Username},
		FirstName: orNil(written.firstName), LastName: orNil(written.lastName()), FullName: orNil(written.fullName),
		At: written.at,
	}, nil
}

// deleteContact removes every line of a person from the address book; somebody without one is no error.
func (s *session) deleteContact(ctx context.Context, params deleteParams) (struct{}, error) {
	if err := s.book.beginWriting(ctx); err != nil {
		return struct{}{}, err
	}
	defer s.book.release()
	target, known, err := s.book.target(ctx, params.Person)
	if err != nil || !known {
		return struct{}{}, err
	}
	changes := []mutation{removeContact(target.contact)}
	for _, each := range target.others {
		changes = append(changes, removeContact(each))
	}
	if err := s.book.write(ctx, changes); err != nil {
		return struct{}{}, err
	}
	left, err := s.store.contactsOf(ctx, target.phone, target.lid)
	if err == nil && len(left) > 0 {
		err = failedWith(changeNotTaken, nil, "WhatsApp took the removal but still shows the contact; try again")
	}
	return struct{}{}, err
}

// setContact writes a line whole: what a mutation leaves out is gone for every device, the other identifier and the
// username among it.
func setContact(line contact, onPhone bool) (mutation, error) {
	first, full, username := proto.String(line.firstName), proto.String(line.fullName), orNil(line.username)
	value := &waSyncAction.SyncActionValue{Timestamp: proto.Int64(line.next())}
	if line.kind == appstate.IndexLIDContact {
		value.LidContactAction = &waSyncAction.LidContactAction{FullName: full, FirstName: first, Username: username}
	} else {
		action := &waSyncAction.ContactAction{
			FullName: full, FirstName: first, Username: username, SaveOnPrimaryAddressbook: proto.Bool(onPhone),
		}
		switch {
		case line.phone == "" || line.lid == "":
		case strings.HasSuffix(line.jid, lidSuffix):
			phone, err := parseUser(line.phone)
			if err != nil {
				return mutation{}, err
			}
			action.PnJID = proto.String(phone.String())
		default:
			action.LidJID = proto.String(line.lid)
		}
		value.ContactAction = action
	}
	return mutation{waServerSync.SyncdMutation_SET, []string{line.kind, line.jid}, value}, nil
}

func removeContact(line contact) mutation {
	value := &waSyncAction.SyncActionValue{Timestamp: proto.Int64(line.next())}
	return mutation{waServerSync.SyncdMutation_REMOVE, []string{line.kind, line.jid}, value}
}

// next is the time of a change to a line, which must be later than its last one.
func (c contact) next() int64 { return max(nowMs(), c.at+1) }

// target is where a person is, or would be, saved.
type target struct {
	contact
	others []contact // further lines of the same person
}

// target finds a person's line: by the identifiers given, else by those that the server has for the number.
func (b *book) target(ctx context.Context, who person) (found target, known bool, err error) {
	phone, lid, err := who.jids()
	if err != nil {
		return target{}, false, err
	}
	if phone.IsEmpty() {
		if phone, err = b.lids.GetPNForLID(ctx, lid); err != nil {
			return target{}, false, err
		}
	}
	if found, known, err = b.linesOf(ctx, phone, lid); err != nil || known {
		return found, known, err
	}
	if !phone.IsEmpty() {
		answers, err := b.session.checkNumbers(ctx, []string{phone.User})
		if err != nil {
			return target{}, false, err
		}
		if answers[0].Phone != nil {
			if phone, err = parseUser(*answers[0].Phone); err != nil {
				return target{}, false, err
			}
		}
		if answers[0].Lid != nil {
			if lid, err = parseUser(*answers[0].Lid); err != nil {
				return target{}, false, err
			}
		}
		if found, known, err = b.linesOf(ctx, phone, lid); err != nil || known {
			return found, known, err
		}
	}
	found.kind, found.jid = appstate.IndexContact, indexJID(phone, lid).String()
	found.phone, found.lid = phoneAndLid(phone, lid)
	return found, false, nil
}

func (b *book) linesOf(ctx context.Context, phone, lid types.JID) (target, bool, error) {
	lines, err := b.session.store.contactsOf(ctx, userID(phone), userID(lid))
	if err != nil || len(lines) == 0 {
		return target{}, false, err
	}
	return target{lines[0], lines[1:]}, true, nil
}

// beginWriting takes the turn, with the whole address book known: a patch rests on all that was before it.
func (b *book) beginWriting(ctx context.Context) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	if b.whole {
		return nil
	}
	err := b.fetchInTurn(ctx)
	if err != nil {
		b.release()
	}
	return err
}

// write sends changes; when another device was faster, its changes are taken over and ours are sent again. It returns
// when the core knows what the server holds afterwards.
func (b *book) write(ctx context.Context, changes []mutation) error {
	defer b.pulse() // should the answer be late, what was changed arrives nevertheless
	for range mostTries {
		again, err := b.send(ctx, changes)
		if err != nil {
			return err
		}
		if !again {
			return b.fetchInTurn(ctx)
		}
	}
	return failedWith(conflict, nil, "another device changed the address book each time; try again")
}

// send uploads one patch; again says that it conflicts with what was taken over just now.
func (b *book) send(ctx context.Context, changes []mutation) (again bool, err error) {
	name := string(bookCollection)
	version, hash, err := b.state.GetAppStateVersion(ctx, name)
	if err != nil {
		return false, err
	}
	state := appstate.HashState{Version: version, Hash: hash}
	keyID, key, err := b.latestKey(ctx)
	if err != nil {
		return false, err
	}
	patch, err := encodePatch(bookCollection, state, keyID, key, changes, func(index []byte) ([]byte, error) {
		return b.state.GetAppStateMutationMAC(ctx, name, index)
	})
	if err != nil {
		return false, err
	}
	collection, err := b.syncCollection(ctx, waBinary.Attrs{"version": version, "return_snapshot": false},
		waBinary.Node{Tag: "patch", Content: patch})
	if err != nil {
		return false, err
	}
	refusal := refusalOf(collection)
	if refusal == nil {
		return false, nil
	}
	if refusal.Code != 409 {
		return false, errors.Join(refusal, whatsmeow.ErrAppStateUpdate)
	}
	return true, b.takeConflict(ctx, collection, state)
}

// takeConflict takes over the changes that a patch of ours conflicts with; the refusal brings them.
func (b *book) takeConflict(ctx context.Context, collection *waBinary.Node, state appstate.HashState) error {
	list, err := b.parsePatches(ctx, collection)
	if err != nil {
		return fmt.Errorf("the changes of another device cannot be read: %w", err)
	}
	if len(list.Patches) == 0 {
		return b.fetchInTurn(ctx)
	}
	_, err = b.takeOver(ctx, list, state, false, newPages(b, false))
	if err == nil && list.HasMorePatches {
		err = b.fetchInTurn(ctx)
	}
	return err
}

func (b *book) latestKey(ctx context.Context) (id, key []byte, err error) {
	id, err = b.keys.GetLatestAppStateSyncKeyID(ctx)
	if err != nil {
		return nil, nil, err
	}
	if id == nil {
		return nil, nil, errNoKeys
	}
	var found *store.AppStateSyncKey
	if found, err = b.keys.GetAppStateSyncKey(ctx, id); err != nil {
		return nil, nil, err
	}
	if found == nil {
		return nil, nil, errNoKeys
	}
	return id, found.Data, nil
}

// query asks the server within a context; it is not asked again when the connection is lost.
func (s *session) query(ctx context.Context, asked whatsmeow.DangerousInfoQuery) (*waBinary.Node, error) {
	asked.NoRetry = true
	asked.Timeout = longestCall * time.Second
	if _, limited := ctx.Deadline(); limited {
		asked.Timeout = time.Hour // the context is the limit
	}
	return s.internals().SendIQ(ctx, asked)
}
