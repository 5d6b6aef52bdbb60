package main

import (
	"context"
	"strings"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/types"
)

// contact is a line of the address book under the index that the app state has it by.
type contact struct {
	kind      string // contact or lid_contact
	jid       string // as it stands in the index
	firstName string
	fullName  string
	phone     string // in Lidbook's words, as the index and what else stands in the line
	lid       string
	username  string
	at        int64
}

// user is under what the directory is told of the line: the phone number where there is one.
func (c contact) user() string {
	if c.phone != "" {
		return c.phone
	}
	return c.lid
}

// lastName is what the whole name has beside the first: WhatsApp stores no last name of its own.
func (c contact) lastName() string {
	if c.firstName == "" || c.fullName == c.firstName {
		return ""
	}
	rest, found := strings.CutPrefix(c.fullName, c.firstName)
	if !found || !strings.HasPrefix(rest, " ") {
		return ""
	}
	return strings.TrimSpace(rest)
}

// facts are what the directory is told of a line; a removed one has no names.
func (c contact) facts() []fact {
	user := c.user()
	told := []fact{
		nameFact(user, "first_name", c.firstName, fromAddressBook, c.at),
		nameFact(user, "last_name", c.lastName(), fromAddressBook, c.at),
		nameFact(user, "full_name", c.fullName, fromAddressBook, c.at),
	}
	if c.phone != "" && c.lid != "" && !c.isRemoved() {
		told = append(told, linkFact(c.phone, c.lid, fromAddressBook, c.at))
	}
	if c.username != "" {
		told = append(told, fieldFact(user, "username", c.username, fromHistory, c.at))
	}
	return told
}

// isRemoved says that the line is not in the address book: WhatsApp saves nobody without a name.
func (c contact) isRemoved() bool { return c.fullName == "" && c.firstName == "" }

// removed is the same line without its names.
func (c contact) removed(at int64) contact {
	c.firstName, c.fullName, c.username, c.at = "", "", "", max(at, c.at+1)
	return c
}

// contactOf reads a mutation of the app state: the line as it is now. Mutations that concern no contact, or nobody, are
// not ok.
func contactOf(mutation appstate.Mutation) (line contact, ok bool) {
	if len(mutation.Index) < 2 {
		return contact{}, false
	}
	jid, err := types.ParseJID(mutation.Index[1])
	if err != nil || userID(jid) == "" {
		return contact{}, false
	}
	line = contact{kind: mutation.Index[0], jid: mutation.Index[1], at: mutationTime(mutation.Action.GetTimestamp())}
	other := types.EmptyJID
	switch line.kind {
	case appstate.IndexContact:
		action := mutation.Action.GetContactAction()
		line.firstName, line.fullName, line.username = action.GetFirstName(), action.GetFullName(), action.GetUsername()
		text := action.GetLidJID()
		if jid.Server == types.HiddenUserServer {
			text = action.GetPnJID()
		}
		if text != "" {
			if other, err = types.ParseJID(text); err != nil {
				other = types.EmptyJID
			}
		}
	case appstate.IndexLIDContact:
		action := mutation.Action.GetLidContactAction()
		line.firstName, line.fullName, line.username = action.GetFirstName(), action.GetFullName(), action.GetUsername()
	default:
		return contact{}, false
	}
	line.phone, line.lid = phoneAndLid(jid, other)
	if mutation.Operation == waServerSync.SyncdMutation_REMOVE {
		line.firstName, line.fullName, line.username = "", "", ""
		if mutation.Action.GetTimestamp() == 0 {
			line.at = nowMs()
		}
	}
	return line, true
}

const contactColumns = "kind, jid, first_name, full_name, phone, lid, username, at"

func scanContact(row dbutil.Scannable) (line contact, err error) {
	return line, row.Scan(&line.kind, &line.jid, &line.firstName, &line.fullName, &line.phone, &line.lid, &line.username, &line.at)
}

// contactUnder is the line under an index, if there is one.
func (s *sessionStore) contactUnder(ctx context.Context, kind, jid string) (contact, bool, error) {
	return first(rows(ctx, s, scanContact, "SELECT "+contactColumns+" FROM lidbook_contact WHERE kind = $1 AND jid = $2", kind, jid))
}

// contactsOf are the lines of one person, by phone number or LID; either may be "".
func (s *sessionStore) contactsOf(ctx context.Context, phone, lid string) ([]contact, error) {
	return rows(ctx, s, scanContact, "SELECT "+contactColumns+" FROM lidbook_contact "+
		"WHERE (phone <> '' AND phone = $1) OR (lid <> '' AND lid = $2) ORDER BY phone = '', at DESC", phone, lid)
}

func (s *sessionStore) allContacts(ctx context.Context) ([]contact, error) {
	return rows(ctx, s, scanContact, "SELECT "+contactColumns+" FROM lidbook_contact")
}

func (s *sessionStore) putContact(ctx context.Context, line contact) error {
	_, err := s.db.Exec(ctx, "INSERT INTO lidbook_contact ("+contactColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "+
		"ON CONFLICT (kind, jid) DO UPDATE SET first_name = excluded.first_name, full_name = excluded.full_name, "+
		"phone = excluded.phone, lid = excluded.lid, username = excluded.username, at = excluded.at",
		line.kind, line.jid, line.firstName, line.fullName, line.phone, line.lid, line.username, line.at)
	return err
}

func (s *sessionStore) dropContact(ctx context.Context, line contact) error {
	_, err := s.db.Exec(ctx, "DELETE FROM lidbook_contact WHERE kind = $1 AND jid = $2", line.kind, line.jid)
	return err
}

func first[T any](list []T, err error) (T, bool, error) {
	if err != nil || len(list) == 0 {
		var none T
		return none, false, err
	}
	return list[0], true, nil
}
