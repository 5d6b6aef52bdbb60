package main

import (
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/types/events"
)

// Reasons of a session's end, in the core's words.
const (
	reasonLoggedOut = "logged_out"
	reasonBanned    = "banned"
	reasonReplaced  = "replaced"
	reasonOutdated  = "outdated"
	reasonQRExpired = "qr_expired"
	reasonRuntime   = "runtime"
	reasonCrashed   = "crashed"
	reasonNetwork   = "network"
	reasonStorage   = "storage"
)

// mostMissedPings is how many unanswered pings in a row mean that the connection is dead; there is one every 25 s.
const mostMissedPings = 3

// ending is why a session is over. Without a reason it was asked to end, and nobody is told.
type ending struct {
	reason string
	detail string
	// forget says that the credentials are worth nothing any more.
	forget bool
}

func failing(reason string, err error) ending {
	return ending{reason: reason, detail: err.Error()}
}

type account struct {
	Phone    string  `json:"phone"`
	Lid      string  `json:"lid"`
	Pushname *string `json:"pushname"`
	Device   *int    `json:"device"`
}

type statusParams struct {
	Session string   `json:"session"`
	Status  string   `json:"status"`
	Reason  *string  `json:"reason"`
	Account *account `json:"account"`
	Detail  *string  `json:"detail"`
}

func (s *session) tellStatus(told statusParams) {
	told.Session = s.id
	s.notify("status", told)
}

// notify tells the core something of this session; that the core is gone is noticed elsewhere.
func (s *session) notify(method string, params any) {
	if err := s.host.wire.notify(method, params); err != nil && s.host.ctx.Err() == nil {
		s.log.error("a notification could not be sent", "method", method, "error", err)
	}
}

// endingOf says whether an event of whatsmeow ends the session, and how.
func endingOf(event any) (ending, bool) {
	switch event := event.(type) {
	case *events.Disconnected:
		return ending{reason: reasonNetwork, detail: "the connection to WhatsApp was lost"}, true
	case *events.ManualLoginReconnect:
		return ending{reason: reasonNetwork, detail: "WhatsApp asked for a new connection (515)"}, true
	case *events.LoggedOut:
		return loggedOutEnding(event), true
	case *events.StreamReplaced:
		return ending{reason: reasonReplaced, detail: "another client connected with this device's keys"}, true
	case *events.TemporaryBan:
		return ending{reason: reasonBanned, detail: event.String()}, true
	case *events.ClientOutdated:
		return ending{reason: reasonOutdated, detail: "WhatsApp refuses this version of WhatsApp Web; set wa_version to a newer one"}, true
	case *events.ConnectFailure:
		return connectFailureEnding(event), true
	case *events.CATRefreshError:
		return failing(reasonRuntime, fmt.Errorf("WhatsApp asked for a Messenger login: %w", event.Error)), true
	case *events.StreamError:
		return ending{reason: reasonNetwork, detail: fmt.Sprintf("WhatsApp ended the stream with code %q", event.Code)}, true
	case *events.KeepAliveTimeout:
		if event.ErrorCount >= mostMissedPings {
			return ending{reason: reasonNetwork, detail: fmt.Sprintf("WhatsApp answered none of %d pings", event.ErrorCount)}, true
		}
	}
	return ending{}, false
}

// loggedOutEnding goes by the code of a refused login; the server keeps nothing of the device in any case.
func loggedOutEnding(event *events.LoggedOut) ending {
	switch {
	case !event.OnConnect:
		return ending{reason: reasonLoggedOut, detail: "the device was removed from the account", forget: true}
	case event.Reason == events.ConnectFailureUnknownLogout:
		return ending{reason: reasonBanned, detail: "WhatsApp has banned the account (406)", forget: true}
	case event.Reason == events.ConnectFailureMainDeviceGone:
		return ending{reason: reasonLoggedOut, detail: "WhatsApp has locked the account, or its phone was logged out (403)", forget: true}
	}
	return ending{reason: reasonLoggedOut, detail: "WhatsApp does not know this device any more (" + event.Reason.NumberString() + ")", forget: true}
}

func connectFailureEnding(event *events.ConnectFailure) ending {
	detail := fmt.Errorf("WhatsApp refused the login: %s", event.Reason)
	if event.Message != "" {
		detail = errors.Join(detail, errors.New(event.Message))
	}
	switch event.Reason {
	case events.ConnectFailureBadUserAgent:
		return failing(reasonOutdated, detail)
	case events.ConnectFailureInternalServerError, events.ConnectFailureServiceUnavailable, events.ConnectFailureExperimental:
		return failing(reasonNetwork, detail)
	}
	return failing(reasonRuntime, detail)
}
