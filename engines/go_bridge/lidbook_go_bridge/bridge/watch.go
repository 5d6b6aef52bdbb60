package main

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// errOwned keeps whatsmeow from the address book: it advances its version before anybody has taken the changes over,
// and hides removals. The host fetches that collection itself.
var errOwned = errors.New("the address book is fetched by the host")

// bookCollection is the part of the app state in which the address book is.
const bookCollection = appstate.WAPatchCriticalUnblockLow

// watch puts the host between whatsmeow and the stores of a device from which more can be learnt than whatsmeow tells.
func watch(device *store.Device, s *session) {
	s.book.state, s.book.keys, s.book.lids = device.AppState, device.AppStateKeys, device.LIDs
	device.AppState = guardedState{device.AppState, s.book}
	device.LIDs = watchedLIDs{device.LIDs, s}
}

// guardedState is the app state without the address book. Whenever whatsmeow would fetch that, because its key came or
// it has changed, the host does.
type guardedState struct {
	store.AppStateStore
	book *book
}

func (g guardedState) GetAppStateVersion(ctx context.Context, name string) (uint64, [128]byte, error) {
	if name == string(bookCollection) {
		g.book.pulse()
		return 0, [128]byte{}, errOwned
	}
	return g.AppStateStore.GetAppStateVersion(ctx, name)
}

func (g guardedState) DeleteAppStateVersion(ctx context.Context, name string) error {
	if name == string(bookCollection) {
		return errOwned
	}
	return g.AppStateStore.DeleteAppStateVersion(ctx, name)
}

// watchedLIDs is the map of LIDs; pairs that no event shows are told as they are stored.
type watchedLIDs struct {
	store.LIDStore
	session *session
}

func (w watchedLIDs) PutLIDMapping(ctx context.Context, lid, phone types.JID) error {
	if err := w.LIDStore.PutLIDMapping(ctx, lid, phone); err != nil {
		return err
	}
	return w.tell(ctx, []store.LIDMapping{{LID: lid, PN: phone}})
}

func (w watchedLIDs) PutManyLIDMappings(ctx context.Context, pairs []store.LIDMapping) error {
	kept := append([]store.LIDMapping(nil), pairs...) // the store reorders what it is given
	if err := w.LIDStore.PutManyLIDMappings(ctx, pairs); err != nil {
		return err
	}
	return w.tell(ctx, kept)
}

func (w watchedLIDs) tell(ctx context.Context, pairs []store.LIDMapping) error {
	from, untold := pairSource()
	if !untold {
		return nil
	}
	var facts []fact
	for _, each := range pairs {
		if phone, lid := phoneAndLid(each.PN, each.LID); phone != "" && lid != "" {
			facts = append(facts, linkFact(phone, lid, from, nowMs()))
		}
	}
	return w.session.outbox.put(ctx, facts...)
}

// pairCallers says where a pair comes from by the function of whatsmeow that stores it. What stands as "" is told with
// more precision from an event, or from an answer.
var pairCallers = map[string]source{
	"handleEncryptedMessage":       "",
	"handleNotification":           "",
	"handleConnectSuccess":         "",
	"handlePair":                   "",
	"GetJoinedGroups":              "",
	"getGroupInfo":                 "",
	"storeHistoricalPNLIDMappings": "",
	"handleDeviceNotification":     fromNotification,
	"storeLIDSyncMessage":          fromHistory,
	"IsOnWhatsApp":                 fromServer,
	"GetUserInfo":                  fromServer,
}

// callersLooked is how far up the caller is looked for; whatsmeow stores pairs two or three calls deep.
const callersLooked = 8

// pairSource looks who of whatsmeow stores a pair; the host's own pairs are told where they are learnt.
func pairSource() (from source, untold bool) {
	var counters [callersLooked]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	for {
		frame, more := frames.Next()
		name := frame.Function[strings.LastIndex(frame.Function, ".")+1:]
		if from, known := pairCallers[name]; known && strings.Contains(frame.Function, "whatsmeow.(*Client)") {
			return from, from != ""
		}
		if !more {
			return fromServer, true
		}
	}
}
