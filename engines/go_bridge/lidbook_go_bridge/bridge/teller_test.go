package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// standing is a session with a store and nothing else, whose facts go to a core.
func standing(t *testing.T, c *core) *session {
	t.Helper()
	return standingIn(t, c, t.TempDir())
}

func standingIn(t *testing.T, c *core, folder string) *session {
	t.Helper()
	s := newSession(c.host, startParams{Session: "s", Folder: folder})
	opened, damaged, err := openStore(s.ctx, s.folder, s.libraryLog)
	if err != nil || damaged != nil {
		t.Fatal(err, damaged)
	}
	s.store = opened
	t.Cleanup(func() {
		s.cancel()
		s.work.Wait()
		if err := opened.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFactsAreToldSomeThousandAtATime(t *testing.T) {
	c := newCore(t)
	s := standing(t, c)
	close(s.teller.opened)
	const many = 3*mostFacts + 1
	facts := make([]fact, many)
	for i := range facts {
		facts[i] = fieldFact(fmt.Sprintf("%d@lid", i+1), "chat", true, fromHistory, 5)
	}
	if err := s.teller.tell(s.ctx, facts...); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, each := range all[factsParams](c, "facts") {
		if len(each.Facts) > mostFacts {
			t.Errorf("%d facts were told at a time", len(each.Facts))
		}
		told += len(each.Facts)
	}
	if told != many {
		t.Errorf("%d facts were told of %d", told, many)
	}
}

func TestAGroupWeighsAsMuchAsItsMembers(t *testing.T) {
	c := newCore(t)
	s := standing(t, c)
	close(s.teller.opened)
	members := make([]participant, 1023)
	for i := range members {
		members[i] = participant{Lid: fmt.Sprintf("%d@lid", i+1), Role: roleParticipant}
	}
	facts := make([]fact, 10)
	for i := range facts {
		facts[i] = groupFact(group{ID: fmt.Sprintf("%d@g.us", i+1), Participants: members}, fromGroup, 5)
	}
	if err := s.teller.tell(s.ctx, facts...); err != nil {
		t.Fatal(err)
	}
	for _, each := range all[factsParams](c, "facts") {
		if len(each.Facts) > 3 {
			t.Errorf("%d large groups were told at a time", len(each.Facts))
		}
	}
}

func TestOneMessageOfFactsFollowsTheOther(t *testing.T) {
	c := newCore(t)
	s := standing(t, c)
	close(s.teller.opened)
	var underWay, most int
	var mu sync.Mutex
	c.refuse = func(message) *rpcError {
		mu.Lock()
		underWay++
		most = max(most, underWay)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		underWay--
		mu.Unlock()
		return nil
	}
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			if err := s.teller.tell(s.ctx, fieldFact(fmt.Sprintf("%d@lid", i+1), "chat", true, fromHistory, 5)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if most != 1 {
		t.Errorf("%d messages were on their way at once", most)
	}
}

func TestFactsWaitUntilItIsKnownWhoseTheyAre(t *testing.T) {
	c := newCore(t)
	s := standing(t, c)
	ended := make(chan error, 1)
	go func() { ended <- s.teller.tell(s.ctx, fieldFact("1@lid", "chat", true, fromHistory, 5)) }()
	c.must("ping", struct{}{})
	if told := all[factsParams](c, "facts"); len(told) > 0 {
		t.Fatal("facts were told before WORKING")
	}
	close(s.teller.opened)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestFactsThatTheCoreRefusesEndTheSession(t *testing.T) {
	for name, each := range map[string]struct {
		code   code
		reason string
	}{
		"a full disk":               {storageFailed, reasonStorage},
		"another account's session": {loggedOut, reasonLoggedOut},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCore(t)
			s := standing(t, c)
			close(s.teller.opened)
			c.refuse = func(message) *rpcError {
				return &rpcError{Code: failed, Message: "no", Data: failureData{Code: each.code}}
			}
			if err := s.teller.tell(s.ctx, fieldFact("1@lid", "chat", true, fromHistory, 5)); err == nil {
				t.Fatal("what the core refused was taken for told")
			}
			if why := <-s.ending; why.reason != each.reason || why.forget {
				t.Errorf("the session ends with %+v", why)
			}
		})
	}
}

func TestTheOutboxKeepsFactsUntilTheyAreAcknowledged(t *testing.T) {
	c := newCore(t)
	s := standing(t, c)
	if err := s.outbox.put(s.ctx, linkFact("1@c.us", "2@lid", fromMessage, 5), fieldFact("2@lid", "pushname", "'Ana' \"L\"", fromMessage, 5)); err != nil {
		t.Fatal(err)
	}
	again := newSession(c.host, startParams{Session: "again", Folder: s.folder})
	again.store = s.store
	close(again.teller.opened)
	ctx, cancel := context.WithCancel(s.ctx)
	s.begin("the outbox", func() { again.outbox.empty(ctx) })
	told := c.await("the facts of the outbox", func(heard message) bool { return heard.Method == "facts" })
	if text := string(told.Params); !strings.Contains(text, `"lid":"2@lid"`) || !strings.Contains(text, `'Ana' \"L\"`) {
		t.Errorf("told %s", text)
	}
	until(t, "the outbox to be empty", func() bool {
		left, err := again.outbox.tellSome(ctx)
		return err == nil && !left
	})
	cancel()
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
