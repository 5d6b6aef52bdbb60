package main

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

const (
	// lookupTimeout bounds the look-up of WhatsApp's version, which may fail.
	lookupTimeout = 20 * time.Second
	// lookupEvery is how often it is looked up at most.
	lookupEvery = time.Hour
)

// versionLookUp is when WhatsApp's version was found out last; the version is the whole process's.
type versionLookUp struct {
	turn chan struct{} // who holds it may use the rest
	last time.Time
}

// orOutdated finds out the version that WhatsApp wants when it refused ours; with a newer one, connecting is tried again.
// A stop does not wait for that.
func (s *session) orOutdated(why ending) ending {
	if why.reason != reasonOutdated || s.settings.Version != "" {
		return why
	}
	ctx, cancel := context.WithTimeout(s.ctx, lookupTimeout)
	defer cancel()
	refused, newer := s.version, make(chan bool, 1)
	go func() {
		defer s.caught("looking up WhatsApp's version")
		newer <- s.newerThan(ctx, refused)
	}()
	for {
		select {
		case found := <-newer:
			if found {
				return ending{reason: reasonNetwork, detail: "WhatsApp refused the version that was used; a newer one was found"}
			}
			return why
		case other := <-s.ending:
			if other.reason == "" || other.reason == reasonCrashed {
				return other
			}
		}
	}
}

// newerThan says whether there is a newer version than the one that was refused: another session may have found it.
func (s *session) newerThan(ctx context.Context, refused store.WAVersionContainer) bool {
	look := &s.host.lookUp
	select {
	case look.turn <- struct{}{}:
		defer func() { <-look.turn }()
	case <-ctx.Done():
		return false
	}
	if refused.LessThan(currentVersion()) {
		return true
	}
	if !s.host.network.isReal() || time.Since(look.last) < lookupEvery {
		return false
	}
	websocket, _, err := s.host.network.clients(s.client.Proxy)
	if err != nil {
		return false
	}
	latest, err := whatsmeow.GetLatestVersion(ctx, websocket)
	if err != nil {
		s.log.warning("WhatsApp's version could not be looked up", "error", err)
		return false
	}
	look.last = time.Now()
	if !refused.LessThan(*latest) {
		return false
	}
	useVersion(*latest)
	s.log.info("WhatsApp Web has a newer version, which is used from now on", "version", latest.String())
	return true
}
