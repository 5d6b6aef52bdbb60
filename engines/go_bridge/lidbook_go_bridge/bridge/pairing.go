package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

const (
	// allCodes is how many codes WhatsApp hands out at a time; only then does the first one last longer.
	allCodes      = 6
	firstCodeLife = 60 * time.Second
	codeLife      = 20 * time.Second
	// loginWait is how long the server may take to ask for a new connection once the device is linked.
	loginWait = 5 * time.Second
	lookAgain = 100 * time.Millisecond
	// firstCodeWait is how long a connection may take to bring its first code.
	firstCodeWait = 75 * time.Second
)

// pairingState is what happens to a device that is not linked yet.
type pairingState struct {
	mu      sync.Mutex
	codes   []string
	passkey bool          // the owner is busy with a passkey, so no code is shown
	ready   bool          // the server has sent codes: a pairing code can be asked for
	changed chan struct{} // closed and replaced at every change
}

func (p *pairingState) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pairingState) look() (codes []string, passkey, ready bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.codes, p.passkey, p.ready, p.changed
}

// pairingEvents are those of one connection on which a device waits to be linked.
type pairingEvents struct {
	paired  chan struct{}
	login   chan struct{}
	gone    chan struct{}
	failure chan ending
}

// link waits until the owner links this device; the credentials are in the store then. Codes that nobody scans are
// replaced for as many rounds as the settings say.
func (s *session) link() (ended ending, linked bool) {
	s.enter(pairing)
	defer s.enter(starting)
	for range max(1, s.settings.QRRounds) {
		ended, linked = s.linkOnce()
		if linked || ended.reason != reasonQRExpired {
			return ended, linked
		}
	}
	return ended, false
}

func (s *session) linkOnce() (ended ending, linked bool) {
	client, err := s.newClient(s.store.unlinked())
	if err != nil {
		return failing(reasonRuntime, err), false
	}
	s.pairing.change(func() { s.pairing.codes, s.pairing.passkey, s.pairing.ready = nil, false, false })
	heard := &pairingEvents{
		paired: make(chan struct{}, 1), login: make(chan struct{}, 1),
		gone: make(chan struct{}, 1), failure: make(chan ending, 1),
	}
	client.AddEventHandler(s.guarded(func(event any) { s.heardPairing(client, heard, event) }))
	s.use(client)
	if ended, ok := s.dial(client); !ok {
		return ended, false
	}
	defer func() {
		s.hangUp(client)
		go client.RemoveEventHandlers() // which waits for the one that runs
	}()
	return s.awaitLink(client, heard)
}

// dial connects without waiting longer than the session lives: a handshake cannot be cut short.
func (s *session) dial(client *whatsmeow.Client) (ending, bool) {
	s.dialled.Store(false)
	s.version = currentVersion()
	connected := make(chan error, 1)
	go func() { connected <- client.ConnectContext(s.ctx) }()
	select {
	case err := <-connected:
		if err != nil {
			s.log.info("could not connect", "error", err)
			return ending{reason: reasonNetwork, detail: "WhatsApp cannot be reached: " + err.Error()}, false
		}
		s.dialled.Store(true)
		return ending{}, true
	case why := <-s.ending:
		return why, false
	}
}

// guarded is a handler whose panic ends the session; whatsmeow would only log it.
func (s *session) guarded(handle func(any)) func(any) {
	return func(event any) {
		defer s.caught(fmt.Sprintf("the handler of %T", event))
		handle(event)
	}
}

// awaitLink shows codes until the device is linked and the server wants it to log in.
func (s *session) awaitLink(client *whatsmeow.Client, heard *pairingEvents) (ending, bool) {
	shown := 0
	timer := time.NewTimer(firstCodeWait)
	defer timer.Stop()
	for {
		codes, passkey, ready, changed := s.pairing.look()
		if shown == 0 && len(codes) > 0 && !passkey {
			s.show(codes, &shown, timer)
		}
		select {
		case <-changed:
		case <-timer.C:
			switch {
			case passkey:
				timer.Reset(codeLife) // the challenge has a timeout of its own
			case !ready:
				return ending{reason: reasonNetwork, detail: "WhatsApp sent no codes"}, false
			case shown >= len(codes):
				return ending{reason: reasonQRExpired, detail: "nobody scanned the codes"}, false
			default:
				s.show(codes, &shown, timer)
			}
		case <-heard.paired:
			return s.awaitLogin(client, heard)
		case <-heard.login:
			return ending{}, client.Store.ID != nil
		case <-heard.gone:
			if shown > 0 && shown >= len(codes) {
				return ending{reason: reasonQRExpired, detail: "nobody scanned the codes"}, false
			}
			return ending{reason: reasonNetwork, detail: "the connection to WhatsApp was lost"}, false
		case why := <-heard.failure:
			return why, false
		case why := <-s.ending:
			return why, false
		}
	}
}

// show hands the next code to the core.
func (s *session) show(codes []string, shown *int, timer *time.Timer) {
	life := codeLife
	if *shown == 0 && len(codes) == allCodes {
		life = firstCodeLife
	}
	s.notify("qr", map[string]any{"session": s.id, "value": codes[*shown]})
	*shown++
	timer.Reset(life)
}

// awaitLogin waits for the 515 after which a linked device connects anew. It may be lost: a server that closes at once
// takes it along, and whatsmeow tells of no disconnection then.
func (s *session) awaitLogin(client *whatsmeow.Client, heard *pairingEvents) (ending, bool) {
	over := time.After(loginWait)
	for client.IsConnected() {
		select {
		case <-heard.login:
			return ending{}, true
		case <-over:
			return ending{}, true
		case why := <-s.ending:
			return why, false
		case <-time.After(lookAgain):
		}
	}
	return ending{}, true
}

func (s *session) heardPairing(client *whatsmeow.Client, heard *pairingEvents, event any) {
	switch event := event.(type) {
	case *events.QR:
		s.pairing.change(func() { s.pairing.codes, s.pairing.ready = event.Codes, true })
	case *events.RotateADVSecret:
		s.pairing.change(func() { s.pairing.codes = rotated(s.pairing.codes, event) })
	case *events.PairSuccess:
		pulse(heard.paired)
	case *events.ManualLoginReconnect:
		pulse(heard.login)
	case *events.Disconnected:
		pulse(heard.gone)
	case *events.PairError:
		s.log.warning("linking failed", "error", event.Error)
		offer(heard.failure, failing(reasonOf(event.Error), fmt.Errorf("the device could not be linked: %w", event.Error)))
	case *events.QRScannedWithoutMultidevice:
		s.log.warning("the code was scanned by a phone without linked devices; its WhatsApp is too old")
	case *events.PairPasskeyRequest:
		s.pairing.change(func() { s.pairing.passkey = true })
		s.notify("passkey_challenge", map[string]any{"session": s.id, "challenge": challenge(event.PublicKey)})
	case *events.PairPasskeyConfirmation:
		s.heardConfirmation(client, event)
	case *events.PairPasskeyError:
		s.log.warning("linking with a passkey failed", "error", event.Error)
	default:
		if why, ends := endingOf(event); ends {
			offer(heard.failure, why)
		}
	}
}

// heardConfirmation shows the code that has to be the one on the phone, unless WhatsApp lets the owner skip it.
func (s *session) heardConfirmation(client *whatsmeow.Client, event *events.PairPasskeyConfirmation) {
	if !event.SkipHandoffUX {
		s.notify("passkey_confirmation", map[string]any{"session": s.id, "code": event.Code})
		return
	}
	s.begin("the passkey's confirmation", func() {
		if err := client.SendPasskeyConfirmation(s.ctx); err != nil {
			s.log.warning("the passkey could not be confirmed", "error", err)
		}
	})
}

// rotated puts the new secret into codes that were made with the one before.
func rotated(codes []string, event *events.RotateADVSecret) []string {
	fresh := make([]string, len(codes))
	for i, each := range codes {
		fresh[i] = strings.Replace(each, ","+event.OldSecret+",", ","+event.NewSecret+",", 1)
	}
	return fresh
}

func pulse(signal chan struct{}) { offer(signal, struct{}{}) }

func offer[T any](signal chan T, value T) {
	select {
	case signal <- value:
	default:
	}
}

type pairingCodeParams struct {
	Phone string `json:"phone"`
}

type pairingCodeResult struct {
	Code string `json:"code"`
}

// pairingCode asks for a code that the owner types; it can be had as soon as the server has sent codes to scan.
func (s *session) pairingCode(ctx context.Context, params pairingCodeParams) (*pairingCodeResult, error) {
	phone, err := parseUser(params.Phone)
	if err != nil {
		return nil, err
	}
	for {
		_, _, ready, changed := s.pairing.look()
		if ready {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	as := identityOf(s.client)
	code, err := s.whatsapp().PairPhone(ctx, phone.User, true, as.kind, as.displayName())
	switch {
	case isRefusal(err, 404):
		return nil, failedWith(notOnWhatsApp, err, "this number is not on WhatsApp")
	case isRefusal(err, 400):
		return nil, failedWith(engineError, err, "WhatsApp gives no code for this number and device name")
	case err != nil:
		return nil, err
	}
	return &pairingCodeResult{code}, nil
}

// caught ends the session if it is called while a panic goes on.
func (s *session) caught(where string) {
	if value := recover(); value != nil {
		s.crashed(where, value, debug.Stack())
	}
}
