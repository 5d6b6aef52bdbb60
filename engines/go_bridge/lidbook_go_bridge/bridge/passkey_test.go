package main

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/store"
)

func TestAPasskeyThatIsNotAnsweredHoldsNobodyUp(t *testing.T) {
	whatsapp, c := greeted(t)
	start(c, t.TempDir())
	isDialled(c, whatsapp)
	s := c.host.find("s")
	s.pairing.change(func() { s.pairing.passkey = true })
	asked := make(chan struct{}, 1)
	whatsapp.drops(func(*waBinary.Node) { pulse(asked) })
	answered := make(chan *rpcError, 1)
	go func() {
		_, refused := c.ask("session.passkey", ofSession(map[string]any{"assertion": map[string]any{}}))
		answered <- refused
	}()
	<-asked
	if kind := platform(); kind != waCompanionReg.DeviceProps_FIREFOX {
		t.Errorf("the passkey is answered as %s", kind)
	}
	startAs(c, "other", t.TempDir(), currentVersion().String())
	c.must("ping", struct{}{})
	until(t, "another session's connection", func() bool { return whatsapp.connections() == 2 })
	select {
	case refused := <-answered:
		t.Fatalf("answered with %v before anything else happened", refused)
	default:
	}
	mustStop(c, "other")
	mustStop(c, "s")
	if refused := <-answered; refused == nil || refused.Data.Code != engineDisconnected {
		t.Errorf("answered with %v", refused)
	}
	until(t, "the turn to end", func() bool { return len(c.host.passkeys) == 0 })
	if kind := platform(); kind == waCompanionReg.DeviceProps_FIREFOX {
		t.Error("the next device would call itself like this one")
	}
}

func platform() waCompanionReg.DeviceProps_PlatformType {
	whatsmeowGlobals.Lock()
	defer whatsmeowGlobals.Unlock()
	return store.DeviceProps.GetPlatformType()
}
