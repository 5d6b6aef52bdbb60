package main

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

type phonesParams struct {
	Phones []string `json:"phones"`
}

type registration struct {
	Asked        string  `json:"asked"`
	Phone        *string `json:"phone"`
	Lid          *string `json:"lid"`
	Username     *string `json:"username"`
	VerifiedName *string `json:"verified_name"`
	Business     bool    `json:"business"`
}

type checkResult struct {
	Answers []registration `json:"answers"`
}

// check asks whether numbers are on WhatsApp, and under which spelling; in the order asked.
func (s *session) check(ctx context.Context, params phonesParams) (*checkResult, error) {
	digits, err := digitsOf(params.Phones)
	if err != nil {
		return nil, err
	}
	answers, err := s.checkNumbers(ctx, digits)
	return &checkResult{answers}, err
}

func digitsOf(phones []string) ([]string, error) {
	digits := make([]string, len(phones))
	for i, each := range phones {
		jid, err := parseUser(each)
		if err != nil {
			return nil, err
		}
		digits[i] = jid.User
	}
	return digits, nil
}

// checkNumbers matches answers by the number asked: servers leave out whom they do not know, and sort as they like.
func (s *session) checkNumbers(ctx context.Context, digits []string) ([]registration, error) {
	users := make([]waBinary.Node, len(digits))
	for i, each := range digits {
		users[i] = numberNode(each)
	}
	found := make(map[string]registration, len(digits))
	question := usync{"query", "interactive", []waBinary.Node{askContact, askBusiness, askUsername}, askContact.Tag}
	err := s.ask(ctx, question, users, func(user *waBinary.Node) error {
		contact := user.GetChildByTag("contact")
		if contact.AttrGetter().OptionalString("type") != "in" {
			return nil
		}
		attributes := user.AttrGetter()
		phone, lid := phoneAndLid(attributes.OptionalJIDOrEmpty("jid"), attributes.OptionalJIDOrEmpty("pn_jid"))
		if lid == "" {
			lid = lidOf(user)
		}
		asked := numberOf(&contact)
		if phone == "" {
			phone = asked + phoneSuffix
		}
		name, business := verifiedName(user)
		found[asked] = registration{
			Phone: &phone, Lid: orNil(lid), Username: orNil(usernameOf(user)), VerifiedName: orNil(name), Business: business,
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	answers := make([]registration, len(digits))
	for i, each := range digits {
		answers[i] = found[each]
		answers[i].Asked = each + phoneSuffix
	}
	return answers, nil
}

type lidsResult struct {
	Lids map[string]*string `json:"lids"`
}

// queryLids asks for the LID of each number in exactly the spelling given.
func (s *session) queryLids(ctx context.Context, params phonesParams) (*lidsResult, error) {
	digits, err := digitsOf(params.Phones)
	if err != nil {
		return nil, err
	}
	users := make([]waBinary.Node, len(digits))
	lids := make(map[string]*string, len(digits))
	for i, each := range digits {
		users[i] = userNode(types.NewJID(each, types.DefaultUserServer))
		lids[each+phoneSuffix] = nil
	}
	question := usync{"query", "background", []waBinary.Node{askLid}, askLid.Tag}
	err = s.ask(ctx, question, users, func(user *waBinary.Node) error {
		id := userID(user.AttrGetter().OptionalJIDOrEmpty("jid"))
		if _, asked := lids[id]; asked {
			lids[id] = orNil(lidOf(user))
		}
		return nil
	})
	return &lidsResult{lids}, err
}

type aboutParams struct {
	Persons []person `json:"persons"`
}

type aboutResult struct {
	Abouts []*string `json:"abouts"`
}

// about asks for about texts: null where somebody hides it or is not on WhatsApp, "" where there is none.
func (s *session) about(ctx context.Context, params aboutParams) (*aboutResult, error) {
	asked := make([]string, len(params.Persons))
	users := make([]waBinary.Node, len(params.Persons))
	for i, each := range params.Persons {
		jid, err := each.best()
		if err != nil {
			return nil, err
		}
		asked[i] = userID(jid)
		token, err := s.internals().EnsureTCToken(ctx, jid)
		if err != nil {
			return nil, err
		}
		if len(token) > 0 {
			users[i] = userNode(jid, waBinary.Node{Tag: "tctoken", Content: token})
		} else {
			users[i] = userNode(jid)
		}
	}
	found := make(map[string]*string, len(asked))
	question := usync{"query", "interactive", []waBinary.Node{askStatus}, askStatus.Tag}
	err := s.ask(ctx, question, users, func(user *waBinary.Node) error {
		status, ok := user.GetOptionalChildByTag("status")
		attributes := status.AttrGetter()
		if !ok || attributes.OptionalInt("code") != 0 || attributes.OptionalString("type") == "fail" {
			return nil
		}
		text := textOf(&status)
		found[userID(user.AttrGetter().OptionalJIDOrEmpty("jid"))] = &text
		return nil
	})
	if err != nil {
		return nil, err
	}
	abouts := make([]*string, len(asked))
	for i, each := range asked {
		abouts[i] = found[each]
	}
	return &aboutResult{abouts}, nil
}

// best is the identifier that a person is asked about: the LID stays theirs when the number does not.
func (p person) best() (types.JID, error) {
	phone, lid, err := p.jids()
	if err != nil || lid.IsEmpty() {
		return phone, err
	}
	return lid, nil
}

type pictureParams struct {
	Person person `json:"person"`
}

// picture asks for the address of a picture in full size.
func (s *session) picture(ctx context.Context, params pictureParams) (*picture, error) {
	jid, err := params.Person.best()
	if err != nil {
		return nil, err
	}
	info, err := s.whatsapp().GetProfilePictureInfo(ctx, jid, &whatsmeow.GetProfilePictureParams{})
	switch {
	case errors.Is(err, whatsmeow.ErrProfilePictureUnauthorized), isRefusal(err, 401, 403):
		return &picture{State: "hidden"}, nil
	case errors.Is(err, whatsmeow.ErrProfilePictureNotSet), isRefusal(err, 404):
		return &picture{State: "none"}, nil
	case err != nil:
		return nil, err
	case info == nil || info.URL == "":
		return &picture{State: "none"}, nil
	}
	return &picture{State: "present", URL: &info.URL, ExpiresAt: expiry(info.URL)}, nil
}

// expiry reads until when the address of a picture is good: seconds in hex, in its `oe`.
func expiry(address string) *int64 {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(parsed.Query().Get("oe")), 16, 64)
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		return nil
	}
	expires := seconds * 1000
	return &expires
}
