package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// loginTimeout is how long a server may take to accept a login; one that is silent is tried again.
const loginTimeout = 90 * time.Second

// connect logs a linked device in, and stays until the connection ends, whatever the reason.
func (s *session) connect(device *store.Device) ending {
	watch(device, s)
	client, err := s.newClient(device)
	if err != nil {
		return failing(reasonRuntime, err)
	}
	connected := make(chan struct{}, 1)
	client.AddEventHandlerWithSuccessStatus(s.handler(connected))
	s.use(client)
	if ended, ok := s.dial(client); !ok {
		return ended
	}
	timeout := time.After(loginTimeout)
	select {
	case <-connected:
	case why := <-s.ending:
		return s.orOutdated(why)
	case <-timeout:
		return ending{reason: reasonNetwork, detail: "WhatsApp did not answer the login"}
	}
	s.enter(working) // before the core knows, which may call at once
	if err := s.tellWorking(client); err != nil {
		return failing(reasonRuntime, err)
	}
	close(s.teller.opened)
	s.feed(client)
	return s.orOutdated(<-s.ending)
}

// handler takes whatsmeow's events. A panic in it ends the session, and what it was about is not taken.
func (s *session) handler(connected chan struct{}) func(any) bool {
	return func(event any) (taken bool) {
		if s.ctx.Err() != nil {
			return false
		}
		defer s.caught(fmt.Sprintf("the handler of %T", event))
		if _, ok := event.(*events.Connected); ok {
			pulse(connected)
			return true
		}
		return s.heard(event)
	}
}

// tellWorking says whose account this is. The push name may follow later: after linking, it comes with the app state.
func (s *session) tellWorking(client *whatsmeow.Client) error {
	phone, lid := phoneAndLid(client.Store.GetJID(), client.Store.GetLID())
	if phone == "" || lid == "" {
		return errors.New("WhatsApp gave the account no phone number or no LID")
	}
	device := int(client.Store.GetJID().Device)
	s.tellStatus(statusParams{Status: "WORKING", Account: &account{phone, lid, orNil(client.Store.PushName), &device}})
	return nil
}

// feed begins everything that tells the directory what there is.
func (s *session) feed(client *whatsmeow.Client) {
	s.begin("the outbox", func() { s.outbox.empty(s.ctx) })
	s.begin("the address book", func() { s.book.follow(s.ctx) })
	s.begin("the history", func() { s.first.run(s.ctx) })
	s.begin("the groups", func() { s.persist("groups", s.tellGroups) })
	s.begin("the blocklist", func() { s.persist("blocklist", s.tellBlocklist) })
	if s.client.MarkOnline {
		s.begin("the presence", func() { s.markOnline(client) })
	}
}

// persist does something for a feed until it succeeds, with growing pauses, and reports the feed complete.
func (s *session) persist(feed string, do func(context.Context) (int, error)) {
	for pause := 2 * time.Second; ; pause = min(2*pause, 5*time.Minute) {
		received, err := do(s.ctx)
		if err == nil {
			err = s.teller.sync(s.ctx, feed, received, true)
		}
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.log.warning("a feed could not be fetched; it is tried again", "feed", feed, "error", err, "seconds", pause.Seconds())
		if !s.sleep(pause) {
			return
		}
	}
}

// markOnline shows the account online, which silences its phone; it needs a push name.
func (s *session) markOnline(client *whatsmeow.Client) {
	if client.Store.PushName == "" {
		return // done when it comes
	}
	if err := client.SendPresence(s.ctx, types.PresenceAvailable); err != nil && s.ctx.Err() == nil {
		s.log.warning("the account could not be shown online", "error", err)
	}
}
