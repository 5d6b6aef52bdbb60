package main

import (
	"context"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
)

// idle is a session with a store, a linked device and a client that is not connected.
func idle(t *testing.T) (*session, *core) {
	t.Helper()
	keepTransport(t)
	c := newCore(t)
	c.hello("ws://127.0.0.1:1/ws/chat")
	s := standingIn(t, c, linked(t))
	s.use(fresh(t, s))
	return s, c
}

// fresh is a client as after another start: what the one before had in memory is gone.
func fresh(t *testing.T, s *session) *whatsmeow.Client {
	t.Helper()
	device, err := s.store.device(s.ctx)
	if err != nil || device == nil {
		t.Fatal("no device", err)
	}
	watch(device, s)
	client, err := s.newClient(device)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAMessageThatWasDecryptedAndNotKeptIsReadAgain(t *testing.T) {
	s, _ := idle(t)
	decrypted := 0
	decrypt := func(context.Context) ([]byte, error) {
		decrypted++
		return []byte("hello"), nil
	}
	for range 2 {
		plain, _, err := s.internals().BufferedDecrypt(s.ctx, []byte("sealed"), time.Now(), decrypt)
		if err != nil || string(plain) != "hello" {
			t.Fatalf("read %q with %v", plain, err)
		}
		s.use(fresh(t, s))
	}
	if decrypted != 1 {
		t.Errorf("it was decrypted %d times; the keys are good for one", decrypted)
	}
}

func TestADecryptionThatPanicsLeavesTheStoreUsable(t *testing.T) {
	s, _ := idle(t)
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	_, _, err := s.internals().BufferedDecrypt(ctx, []byte("sealed"), time.Now(), func(context.Context) ([]byte, error) {
		panic("a message from hell")
	})
	if err == nil {
		t.Error("it was decrypted")
	}
	if err := s.store.keep(ctx, "name", "value"); err != nil {
		t.Errorf("the store is locked: %v", err)
	}
}
