package main

import (
	"context"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// heard takes an event of a linked device. It must not wait for the core; what it could not write down is not taken,
// and WhatsApp sends it again. A disk that takes nothing ends the session, which shows that, until it takes something.
func (s *session) heard(event any) (taken bool) {
	if why, ends := endingOf(event); ends {
		if !s.leaving.Load() {
			s.finish(why)
		}
		return true
	}
	err := s.heardFacts(event)
	if err != nil && s.ctx.Err() == nil {
		s.log.error("an event could not be kept", "event", fmt.Sprintf("%T", event), "error", err)
		if isDiskFailure(err) {
			s.finish(failing(reasonStorage, err))
		}
	}
	return err == nil
}

func (s *session) heardFacts(event any) error {
	switch event := event.(type) {
	case *events.Message:
		return s.heardMessage(event)
	case *events.UndecryptableMessage:
		return s.heardEnvelope(&event.Info)
	case *events.PushName:
		if event.Message != nil {
			return s.heardEnvelope(event.Message)
		}
	case *events.GroupInfo:
		return s.heardGroup(event)
	case *events.JoinedGroup:
		return s.heardJoined(event)
	case *events.Blocklist:
		return s.heardBlocklist(event)
	case *events.Picture:
		return s.heardPicture(event)
	case *events.UserAbout:
		if id := userID(event.JID); id != "" {
			return s.outbox.put(s.ctx, fieldFact(id, "about", event.Status, fromNotification, stanzaTime(event.Timestamp)))
		}
	case *events.PushNameSetting:
		s.heardOwnName()
	case *events.AppState:
		return s.heardAppState(event)
	case *events.KeepAliveTimeout:
		s.log.warning("WhatsApp does not answer pings", "missed", event.ErrorCount)
	case *events.KeepAliveRestored:
		s.log.info("WhatsApp answers pings again")
	case *events.AppStateSyncError:
		s.log.warning("a part of the app state could not be read", "name", string(event.Name), "error", event.Error)
	case *events.NotifyAccountReachoutTimelock:
		s.log.warning("WhatsApp limits whom this account may write to")
	}
	return nil
}

// heardMessage takes the envelope, and what the account's own phone sends: parts of the history, keys to the address
// book, and the address book itself when it was asked for.
func (s *session) heardMessage(event *events.Message) error {
	message := event.RawMessage
	if sent := message.GetDeviceSentMessage().GetMessage(); sent != nil {
		message = sent
	}
	own := message.GetProtocolMessage()
	if own == nil || !event.Info.IsFromMe {
		return s.heardEnvelope(&event.Info)
	}
	if share := own.GetAppStateSyncKeyShare(); share != nil {
		return s.book.heardKeys(s.ctx, share)
	}
	if part := own.GetHistorySyncNotification(); part != nil {
		return s.heardHistory(part, event.Info.ID, stanzaTime(event.Info.Timestamp))
	}
	if answer := own.GetPeerDataOperationRequestResponseMessage(); answer != nil && event.Info.Sender.Device == 0 {
		s.book.heardRecovery(answer)
	}
	return s.heardEnvelope(&event.Info)
}

// heardEnvelope tells what the envelope of a message says of its sender: both identifiers, push name, verified name,
// and that there is a chat.
func (s *session) heardEnvelope(info *types.MessageInfo) error {
	if info.Category == "peer" {
		return nil
	}
	at := stanzaTime(info.Timestamp)
	who, alternate := info.Sender, info.SenderAlt
	if info.IsFromMe {
		who, alternate = info.Chat, info.RecipientAlt
	}
	phone, lid := phoneAndLid(who, alternate)
	id := lid
	if id == "" {
		id = phone
	}
	if id == "" || s.holdsMe([]types.JID{who}) {
		return nil
	}
	var facts []fact
	seen := seenPerson{id: id}
	if phone != "" && lid != "" {
		facts = append(facts, linkFact(phone, lid, fromMessage, at))
	}
	if name := info.PushName; name != "" && name != "-" && !info.IsFromMe {
		facts = append(facts, fieldFact(id, "pushname", name, fromMessage, at))
		seen.pushname, seen.pushnameAt = name, at
	}
	if info.VerifiedName != nil && !info.IsFromMe {
		if name := info.VerifiedName.Details.GetVerifiedName(); name != "" {
			facts = append(facts,
				fieldFact(id, "verified_name", name, fromMessage, at), fieldFact(id, "business", true, fromMessage, at))
		}
	}
	if !info.IsGroup && userID(info.Chat) != "" {
		facts = append(facts, fieldFact(id, "chat", true, fromMessage, at))
		seen.chatAt = at
	}
	return s.store.db.DoTxn(s.ctx, nil, func(ctx context.Context) error {
		if seen.pushname != "" || seen.chatAt > 0 {
			if err := s.store.putSeen(ctx, []seenPerson{seen}); err != nil {
				return err
			}
		}
		return s.outbox.put(ctx, facts...)
	})
}

// heardPicture tells that a picture is gone, or another one, which has to be asked for.
func (s *session) heardPicture(event *events.Picture) error {
	id := userID(event.JID)
	if id == "" {
		return nil
	}
	var value any
	if event.Remove {
		value = picture{State: "none"}
	}
	return s.outbox.put(s.ctx, fieldFact(id, "picture", value, fromNotification, stanzaTime(event.Timestamp)))
}

// heardOwnName tells the account again, with its push name.
func (s *session) heardOwnName() {
	if s.phase() != working {
		return
	}
	client := s.whatsapp()
	if err := s.tellWorking(client); err != nil {
		s.log.error("the account could not be told", "error", err)
	}
	if s.client.MarkOnline {
		s.begin("the presence", func() { s.markOnline(client) })
	}
}

// heardAppState takes the pairs that stand in the app state beside the address book. They are the phone's word as well,
// told when a number moves, so they rank like those of the address book, which they supersede.
func (s *session) heardAppState(event *events.AppState) error {
	if len(event.Index) < 2 || event.Index[0] != appstate.IndexPNForLIDChat {
		return nil
	}
	phone, lid := phoneAndLid(parsed(event.Index[1]), parsed(event.GetPnForLidChatAction().GetPnJID()))
	if phone == "" || lid == "" {
		return nil
	}
	// whatsmeow has the version already and does not tell it again: it is kept even when the session is being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), storing)
	defer cancel()
	err := s.book.storePairs(ctx, []contact{{phone: phone, lid: lid}})
	if err == nil {
		err = s.outbox.put(ctx, linkFact(phone, lid, fromAddressBook, mutationTime(event.GetTimestamp())))
	}
	if err != nil {
		return errors.Join(err, s.first.asking.miss(ctx))
	}
	return nil
}
