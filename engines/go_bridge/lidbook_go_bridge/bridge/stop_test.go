package main

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types/events"
)

// mustStop stops a session, which has to be over, not only said to be, before the core would kill the host.
func mustStop(c *core, id string) {
	c.t.Helper()
	begun := time.Now()
	c.must("session.stop", map[string]any{"session": id, "timeout": 2})
	if took := time.Since(begun); took >= stopTimeout {
		c.t.Errorf("stopping took %s", took)
	}
	if c.host.find(id) != nil {
		c.t.Error("the session is not over")
	}
}

func TestAStopIsSoonOverWhateverTheServerDoes(t *testing.T) {
	for name, each := range map[string]struct {
		mute, deaf, linked bool
		reached            func(*core, *smallWhatsApp)
	}{
		"a handshake, unlinked": {mute: true, reached: func(c *core, _ *smallWhatsApp) { c.status("STARTING") }},
		"a handshake, linked":   {mute: true, linked: true, reached: func(c *core, _ *smallWhatsApp) { c.status("STARTING") }},
		"waiting for codes":     {deaf: true, reached: isDialled},
		"waiting for the login": {deaf: true, linked: true, reached: isDialled},
		"working": {linked: true, reached: func(c *core, w *smallWhatsApp) {
			c.status("WORKING")
			deafened := make(chan struct{}, 1)
			w.drops(func(*waBinary.Node) {
				pulse(deafened)
				<-w.ended
			})
			_, refused := c.ask("contacts.check", map[string]any{"session": "s", "timeout": 0.1, "phones": []string{"12025550123@c.us"}})
			if refused == nil {
				c.t.Error("it is not deaf")
			}
			<-deafened
		}},
	} {
		t.Run(name, func(t *testing.T) {
			keepTransport(t)
			whatsapp := newSmallWhatsApp(t)
			whatsapp.mute, whatsapp.deaf = each.mute, each.deaf
			c := newCore(t)
			whatsapp.hello(c)
			folder := t.TempDir()
			if each.linked {
				folder = linked(t)
			}
			start(c, folder)
			each.reached(c, whatsapp)
			mustStop(c, "s")
			start(c, folder) // nothing of the one before is in its way
			mustStop(c, "s")
		})
	}
}

func isDialled(c *core, whatsapp *smallWhatsApp) {
	until(c.t, "a connection", func() bool { return whatsapp.connections() > 0 && c.host.find("s").dialled.Load() })
}

func TestAStopDoesNotWaitForAStoreThatIsBusy(t *testing.T) {
	keepTransport(t)
	c := newCore(t)
	c.hello("ws://127.0.0.1:1/ws/chat")
	folder := t.TempDir()
	other, err := sql.Open("sqlite", filepath.Join(folder, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN EXCLUSIVE; CREATE TABLE busy (x)"); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	start(c, folder)
	mustStop(c, "s")
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	until(t, "the store to be let go", func() bool { return runtime.NumGoroutine() <= before })
}

func TestAStopDoesNotWaitForTheLookUpOfAVersion(t *testing.T) {
	whatsapp, c := retired(t)
	asked := make(chan struct{}, 1)
	whatsapp.page = func(http.ResponseWriter, *http.Request) {
		pulse(asked)
		<-whatsapp.ended
	}
	start(c, linked(t))
	<-asked
	mustStop(c, "s")
}

// retired is a WhatsApp that a host takes for the real one, although it is on this machine; it refuses every version.
func retired(t *testing.T) (*smallWhatsApp, *core) {
	keepTransport(t)
	whatsapp, c := newSmallWhatsApp(t), newCore(t)
	whatsapp.greet = &waBinary.Node{Tag: "failure", Attrs: waBinary.Attrs{"reason": "405"}}
	whatsapp.hello(c)
	before := currentVersion()
	t.Cleanup(func() { useVersion(before) })
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.host.network = &network{transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", whatsapp.http.Listener.Addr().String())
		},
	}}
	return whatsapp, c
}

func TestAnEventAfterTheEndIsNotTaken(t *testing.T) {
	_, c := greeted(t)
	start(c, linked(t))
	c.status("WORKING")
	internals := c.host.find("s").internals()
	if failed := internals.DispatchEvent(&events.Message{}); failed {
		t.Error("a message was not taken while the session worked")
	}
	mustStop(c, "s")
	if failed := internals.DispatchEvent(&events.Message{}); !failed {
		t.Error("a message counts as kept that nobody heard")
	}
}

func TestAStopDoesNotWaitForTheEndOfALinking(t *testing.T) {
	_, c := greeted(t)
	s := standing(t, c)
	client, err := s.newClient(s.store.unlinked())
	if err != nil {
		t.Fatal(err)
	}
	if ended, ok := s.dial(client); !ok {
		t.Fatalf("not connected: %+v", ended)
	}
	defer s.hangUp(client)
	begun := time.Now()
	s.finish(ending{})
	_, linked := s.awaitLogin(client, &pairingEvents{login: make(chan struct{}, 1)})
	if took := time.Since(begun); linked || took >= stopTimeout {
		t.Errorf("it is logged in: %v, after %s", linked, took)
	}
}
