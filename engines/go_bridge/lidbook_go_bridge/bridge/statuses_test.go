package main

import (
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

func TestHowASessionEnds(t *testing.T) {
	for name, each := range map[string]struct {
		event  any
		reason string
		forget bool
	}{
		"a lost connection":      {&events.Disconnected{}, reasonNetwork, false},
		"a removed device":       {&events.LoggedOut{}, reasonLoggedOut, true},
		"an unknown device":      {&events.LoggedOut{OnConnect: true, Reason: 401}, reasonLoggedOut, true},
		"a locked account":       {&events.LoggedOut{OnConnect: true, Reason: 403}, reasonLoggedOut, true},
		"a banned account":       {&events.LoggedOut{OnConnect: true, Reason: 406}, reasonBanned, true},
		"a ban for a time":       {&events.TemporaryBan{Code: 101}, reasonBanned, false},
		"another client":         {&events.StreamReplaced{}, reasonReplaced, false},
		"an old version":         {&events.ClientOutdated{}, reasonOutdated, false},
		"a refused user agent":   {&events.ConnectFailure{Reason: 409}, reasonOutdated, false},
		"a server with trouble":  {&events.ConnectFailure{Reason: 503}, reasonNetwork, false},
		"an experiment":          {&events.ConnectFailure{Reason: 501}, reasonNetwork, false},
		"a refusal":              {&events.ConnectFailure{Reason: 400, Message: "no"}, reasonRuntime, false},
		"a Messenger login":      {&events.CATRefreshError{}, reasonRuntime, false},
		"a new login":            {&events.ManualLoginReconnect{}, reasonNetwork, false},
		"an unknown stream code": {&events.StreamError{Code: "500"}, reasonNetwork, false},
		"dead silence":           {&events.KeepAliveTimeout{ErrorCount: mostMissedPings}, reasonNetwork, false},
		"a missed ping":          {&events.KeepAliveTimeout{ErrorCount: 1}, "", false},
		"a connection":           {&events.Connected{}, "", false},
		"a message":              {&events.Message{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			why, ends := endingOf(each.event)
			if ends != (each.reason != "") || why.reason != each.reason || why.forget != each.forget {
				t.Errorf("%T: %+v, %v", each.event, why, ends)
			}
			if ends && why.detail == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestEveryPermanentDisconnectIsAnEnd(t *testing.T) {
	for _, each := range []events.PermanentDisconnect{
		&events.LoggedOut{}, &events.StreamReplaced{}, &events.ClientOutdated{}, &events.CATRefreshError{},
		&events.TemporaryBan{}, &events.ConnectFailure{},
	} {
		if _, ends := endingOf(each); !ends {
			t.Errorf("%T is not the end of a session", each)
		}
	}
}
