package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
)

func TestADamagedStoreIsPutAside(t *testing.T) {
	for name, content := range map[string][]byte{
		"a text":          []byte("this was a database once, and is none any more; and it is long enough to be read as one, page by page"),
		"half a database": append([]byte("SQLite format 3\x00"), make([]byte, 8000)...),
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, storeFile), content, 0o600); err != nil {
				t.Fatal(err)
			}
			opened, damaged, err := openStore(context.Background(), folder, waLog.Noop)
			if err != nil || damaged == nil {
				t.Fatalf("opened with %v, damaged is %v", err, damaged)
			}
			if device, err := opened.device(context.Background()); device != nil || err != nil {
				t.Errorf("it has a device, or %v", err)
			}
			if kept, err := os.ReadFile(filepath.Join(folder, quarantined)); err != nil || len(kept) != len(content) {
				t.Errorf("the old file is not kept: %v", err)
			}
			if err := opened.forget(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(folder, storeFile+"*")); len(left) > 0 {
				t.Errorf("%v are left", left)
			}
		})
	}
}

func TestAFolderWithStrangeCharacters(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "50% of?#it é")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	opened, _, err := openStore(context.Background(), folder, waLog.Noop)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.keep(context.Background(), "name", "value"); err != nil {
		t.Error(err)
	}
	if err := opened.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, storeFile)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSeenIsNeverUnlearnt(t *testing.T) {
	s := standing(t, newCore(t))
	for _, each := range []seenPerson{
		{"1@lid", 500, "Old", 500, "one", 500},
		{"1@lid", 400, "Older", 400, "", 0},
		{"1@lid", 0, "", 0, "uno", 600},
		{"1@lid", 700, "New", 700, "one", 300},
	} {
		if err := s.store.putSeen(s.ctx, []seenPerson{each}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.store.seenAfter(s.ctx, "", 10)
	if err != nil || len(found) != 1 || found[0] != (seenPerson{"1@lid", 700, "New", 700, "uno", 600}) {
		t.Errorf("seen is %+v with %v", found, err)
	}
}

func TestLinesOfOnePerson(t *testing.T) {
	s := standing(t, newCore(t))
	lines := []contact{
		{"contact", "1@s.whatsapp.net", "Ana", "Ana", "1@c.us", "9@lid", "", 5},
		{"lid_contact", "9@lid", "Ana", "Ana L", "", "9@lid", "", 6},
		{"contact", "2@s.whatsapp.net", "Bob", "Bob", "2@c.us", "", "", 7},
	}
	for _, each := range lines {
		if err := s.store.putContact(s.ctx, each); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range []struct {
		phone, lid string
		want       int
	}{{"1@c.us", "", 1}, {"", "9@lid", 2}, {"1@c.us", "9@lid", 2}, {"2@c.us", "", 1}, {"", "", 0}, {"3@c.us", "3@lid", 0}} {
		found, err := s.store.contactsOf(s.ctx, each.phone, each.lid)
		if err != nil || len(found) != each.want {
			t.Errorf("%q, %q: found %+v with %v", each.phone, each.lid, found, err)
		}
		if each.want == 2 && found[0] != lines[0] {
			t.Errorf("the line under the number does not come first: %+v", found)
		}
	}
	if err := s.store.dropContact(s.ctx, lines[0]); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.store.contactUnder(s.ctx, "contact", lines[0].jid); found || err != nil {
		t.Errorf("it is still there, with %v", err)
	}
}

func TestADiskThatTakesNothingIsSaid(t *testing.T) {
	keepTransport(t)
	c := newCore(t)
	c.hello("ws://127.0.0.1:1/ws/chat")
	folder := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start(c, folder)
	if told := c.status("FAILED"); *told.Reason != reasonStorage {
		t.Errorf("it failed with %s: %s", *told.Reason, *told.Detail)
	}
}

func TestADiskThatIsFullLaterEndsTheSession(t *testing.T) {
	for name, spoil := range map[string]string{
		"full": "PRAGMA max_page_count = 1", "read-only": "PRAGMA query_only = 1",
	} {
		t.Run(name, func(t *testing.T) {
			s := standing(t, newCore(t))
			close(s.teller.opened)
			if err := s.outbox.put(s.ctx, linkFact("1@c.us", "2@lid", fromMessage, 5)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.store.db.Exec(s.ctx, spoil); err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("x", 1<<16)
			if err := s.store.keep(s.ctx, "name", long); reasonOf(err) != reasonStorage {
				t.Errorf("%v is %s", err, reasonOf(err))
			}
			if name == "full" {
				return // deleting takes no room
			}
			s.begin("the outbox", func() { s.outbox.empty(s.ctx) })
			if why := <-s.ending; why.reason != reasonStorage {
				t.Errorf("the session ends with %+v", why)
			}
		})
	}
}

func TestAnEventThatADiskDoesNotTakeEndsTheSessionAndComesAgain(t *testing.T) {
	s := standing(t, newCore(t))
	if _, err := s.store.db.Exec(s.ctx, "PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	about := events.UserAbout{JID: types.NewJID("1", types.DefaultUserServer), Status: "Busy"}
	if s.heard(&about) {
		t.Error("an event that was not written down counts as taken")
	}
	select {
	case why := <-s.ending:
		if why.reason != reasonStorage || !strings.Contains(why.detail, "readonly") {
			t.Errorf("the session ends with %+v", why)
		}
	default:
		t.Error("the session goes on")
	}
}

func TestWhatTheSystemSaysOfADisk(t *testing.T) {
	for _, each := range []struct {
		err    error
		reason string
	}{
		{&os.PathError{Op: "rename", Err: syscall.ENOSPC}, reasonStorage},
		{fmt.Errorf("moving: %w", &os.PathError{Op: "rename", Err: syscall.EROFS}), reasonStorage},
		{&os.PathError{Op: "rename", Err: syscall.ENOENT}, reasonRuntime},
		{context.Canceled, reasonRuntime},
	} {
		if found := reasonOf(each.err); found != each.reason {
			t.Errorf("%v is %s", each.err, found)
		}
	}
}
