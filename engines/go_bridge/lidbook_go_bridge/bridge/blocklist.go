package main

import (
	"context"
	"slices"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

type blockParams struct {
	Person person `json:"person"`
}

type blockResult struct {
	Users []string `json:"users"`
}

func (s *session) block(ctx context.Context, params blockParams) (*blockResult, error) {
	return s.changeBlocklist(ctx, params.Person, events.BlocklistChangeActionBlock)
}

func (s *session) unblock(ctx context.Context, params blockParams) (*blockResult, error) {
	return s.changeBlocklist(ctx, params.Person, events.BlocklistChangeActionUnblock)
}

// changeBlocklist blocks or unblocks somebody, and answers the whole list as the server has it then: that is asked for,
// since not every answer to a change brings it. The server takes LIDs, and for a block wants the number as well.
func (s *session) changeBlocklist(ctx context.Context, who person, action events.BlocklistChangeAction) (*blockResult, error) {
	phone, lid, err := who.jids()
	if err != nil {
		return nil, err
	}
	if phone, lid, err = s.bothOf(ctx, phone, lid); err != nil {
		return nil, err
	}
	item := waBinary.Attrs{"jid": lid, "action": string(action)}
	if action == events.BlocklistChangeActionBlock && !phone.IsEmpty() {
		item["pn_jid"] = phone
	}
	_, err = s.query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "blocklist", Type: "set", To: types.ServerJID,
		Content: []waBinary.Node{{Tag: "item", Attrs: item}},
	})
	if isRefusal(err, 400, 404, 406) {
		return nil, failedWith(notOnWhatsApp, err, "WhatsApp knows nobody by this identifier")
	}
	if err != nil {
		return nil, err
	}
	begun := nowMs()
	users, _, err := s.fetchBlocklist(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.teller.tell(ctx, blocklistFact(users, fromServer, begun)); err != nil {
		return nil, err
	}
	isBlocked := slices.Contains(users, userID(lid)) || !phone.IsEmpty() && slices.Contains(users, userID(phone))
	if isBlocked != (action == events.BlocklistChangeActionBlock) {
		return nil, failedWith(changeNotTaken, nil, "WhatsApp took the change but its blocklist does not show it; try again")
	}
	return &blockResult{notNil(users)}, nil
}

// bothOf finds the other half of a person: in the map, else at the server.
func (s *session) bothOf(ctx context.Context, phone, lid types.JID) (types.JID, types.JID, error) {
	var err error
	if phone.IsEmpty() {
		phone, err = s.book.lids.GetPNForLID(ctx, lid)
		return phone.ToNonAD(), lid, err
	}
	if lid.IsEmpty() {
		if lid, err = s.book.lids.GetLIDForPN(ctx, phone); err != nil {
			return phone, lid, err
		}
	}
	if !lid.IsEmpty() {
		return phone, lid.ToNonAD(), nil
	}
	answers, err := s.checkNumbers(ctx, []string{phone.User})
	if err != nil {
		return phone, lid, err
	}
	if answers[0].Phone == nil || answers[0].Lid == nil {
		return phone, lid, failedWith(notOnWhatsApp, nil, "this number is not on WhatsApp")
	}
	if phone, err = parseUser(*answers[0].Phone); err == nil {
		lid, err = parseUser(*answers[0].Lid)
	}
	return phone, lid, err
}

// fetchBlocklist fetches the whole list: its users, and how many persons those are. An answer without a list is none.
func (s *session) fetchBlocklist(ctx context.Context) (users []string, persons int, err error) {
	answer, err := s.query(ctx, whatsmeow.DangerousInfoQuery{Namespace: "blocklist", Type: "get", To: types.ServerJID})
	if err != nil {
		return nil, 0, err
	}
	list, ok := answer.GetOptionalChildByTag("list")
	if !ok {
		return nil, 0, &whatsmeow.ElementMissingError{Tag: "list", In: "the answer to a blocklist query"}
	}
	users, err = s.blocked(ctx, &list)
	return users, len(list.GetChildrenByTag("item")), err
}

// tellBlocklist fetches the whole list and tells it; it answers how many are on it.
func (s *session) tellBlocklist(ctx context.Context) (int, error) {
	begun := nowMs()
	users, persons, err := s.fetchBlocklist(ctx)
	if err != nil {
		return 0, err
	}
	return persons, s.teller.tell(ctx, blocklistFact(users, fromServer, begun))
}

// blocked are the users of a blocklist, by each identifier that is known of them.
func (s *session) blocked(ctx context.Context, list *waBinary.Node) ([]string, error) {
	var users []string
	for _, each := range list.GetChildrenByTag("item") {
		attributes := each.AttrGetter()
		jid := attributes.OptionalJIDOrEmpty("jid")
		phone, lid := phoneAndLid(jid, attributes.OptionalJIDOrEmpty("pn_jid"))
		if phone == "" || lid == "" {
			other, err := s.otherHalf(ctx, jid)
			if err != nil {
				return nil, err
			}
			phone, lid = phoneAndLid(jid, other)
		}
		for _, id := range []string{lid, phone} {
			if id != "" {
				users = append(users, id)
			}
		}
	}
	return users, nil
}

// otherHalf is the number of a LID or the LID of a number, as far as the map knows it; else empty.
func (s *session) otherHalf(ctx context.Context, jid types.JID) (types.JID, error) {
	switch jid.Server {
	case types.HiddenUserServer:
		return s.book.lids.GetPNForLID(ctx, jid.ToNonAD())
	case types.DefaultUserServer:
		return s.book.lids.GetLIDForPN(ctx, jid.ToNonAD())
	}
	return types.EmptyJID, nil
}

// heardBlocklist tells of changes to the blocklist; one that does not say what changed has it fetched.
func (s *session) heardBlocklist(event *events.Blocklist) error {
	if len(event.Changes) == 0 {
		s.begin("the blocklist", func() { s.persist("blocklist", s.tellBlocklist) })
	}
	at := nowMs() // whatsmeow leaves the notification's own time out
	var facts []fact
	for _, each := range event.Changes {
		other, err := s.otherHalf(s.ctx, each.JID)
		if err != nil {
			return err
		}
		isBlocked := each.Action == events.BlocklistChangeActionBlock
		phone, lid := phoneAndLid(each.JID, other)
		for _, id := range []string{lid, phone} {
			if id != "" {
				facts = append(facts, fieldFact(id, "blocked", isBlocked, fromNotification, at))
			}
		}
	}
	return s.outbox.put(s.ctx, facts...)
}
