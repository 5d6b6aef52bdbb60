package main

import (
	"fmt"
	"regexp"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

const (
	phoneSuffix = "@" + types.LegacyUserServer
	lidSuffix   = "@" + types.HiddenUserServer
	groupSuffix = "@" + types.GroupServer
	// mostDigits is how long an identifier may be that the core takes.
	mostDigits = 20
)

// groupName is a group's id: digits, in old groups the creator's number and a time.
var groupName = regexp.MustCompile(`^[0-9]{1,25}(-[0-9]{1,15})?$`)

// userID is a person in Lidbook's words, without the device: `…@c.us` or `…@lid`; "" for whatever is no person.
func userID(jid types.JID) string {
	if !isDigits(jid.User) || jid.IsBot() {
		return ""
	}
	switch jid.Server {
	case types.DefaultUserServer, types.LegacyUserServer, types.HostedServer:
		return jid.User + phoneSuffix
	case types.HiddenUserServer, types.HostedLIDServer:
		return jid.User + lidSuffix
	}
	return ""
}

// phoneAndLid sorts two identifiers of one person; either may be empty, and is then "".
func phoneAndLid(one, other types.JID) (phone, lid string) {
	for _, jid := range []types.JID{one, other} {
		switch id := userID(jid); {
		case strings.HasSuffix(id, phoneSuffix):
			phone = id
		case strings.HasSuffix(id, lidSuffix):
			lid = id
		}
	}
	return phone, lid
}

// groupID is a group in Lidbook's words, "" for whatever is none.
func groupID(jid types.JID) string {
	if jid.Server != types.GroupServer || !groupName.MatchString(jid.User) {
		return ""
	}
	return jid.User + groupSuffix
}

// parseUser reads what Lidbook calls a person.
func parseUser(id string) (types.JID, error) {
	digits, server, _ := strings.Cut(id, "@")
	if isDigits(digits) {
		switch server {
		case types.LegacyUserServer:
			return types.NewJID(digits, types.DefaultUserServer), nil
		case types.HiddenUserServer:
			return types.NewJID(digits, types.HiddenUserServer), nil
		}
	}
	return types.EmptyJID, badParams{fmt.Errorf("%q is neither <digits>@c.us nor <digits>@lid", id)}
}

func isDigits(text string) bool {
	if text == "" || len(text) > mostDigits || strings.Trim(text, "0") == "" {
		return false
	}
	for _, each := range text {
		if each < '0' || each > '9' {
			return false
		}
	}
	return true
}

// person is somebody by as many identifiers as are known.
type person struct {
	Phone    *string `json:"phone"`
	Lid      *string `json:"lid"`
	Username *string `json:"username"`
}

// jids are the person's identifiers, empty where unknown.
func (p person) jids() (phone, lid types.JID, err error) {
	if p.Phone != nil {
		if phone, err = parseUser(*p.Phone); err != nil {
			return phone, lid, err
		}
	}
	if p.Lid != nil {
		if lid, err = parseUser(*p.Lid); err != nil {
			return phone, lid, err
		}
	}
	if phone.IsEmpty() && lid.IsEmpty() {
		return phone, lid, badParams{fmt.Errorf("a person needs a phone number or a LID")}
	}
	return phone, lid, nil
}

// orNil is null for a text that is not there.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
