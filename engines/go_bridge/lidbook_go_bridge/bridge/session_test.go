package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

var background = context.Background()

func start(c *core, folder string) { startAs(c, "s", folder, nil) }

func startAs(c *core, id, folder string, version any) {
	c.t.Helper()
	c.must("session.start", map[string]any{
		"session": id, "folder": folder, "settings": map[string]any{"qr_rounds": 1, "wa_version": version},
		"client": map[string]any{"proxy": nil, "device_name": nil, "browser_name": "Firefox", "mark_online": false},
		"synced": []string{},
	})
}

func ofSession(more map[string]any) map[string]any {
	params := map[string]any{"session": "s", "timeout": 2}
	for name, value := range more {
		params[name] = value
	}
	return params
}

func TestASessionThatWorksAndIsStopped(t *testing.T) {
	whatsapp, c := greeted(t)
	folder := linked(t)
	before := runtime.NumGoroutine()
	start(c, folder)
	told := c.status("WORKING")
	if told.Account == nil || told.Account.Phone != "12025550100@c.us" || told.Account.Lid != "99@lid" || *told.Account.Pushname != "Me" || *told.Account.Device != 3 {
		t.Errorf("the account is %+v", told.Account)
	}
	for _, feed := range []string{"blocklist", "groups"} {
		c.await("the sync of "+feed, func(heard message) bool {
			return heard.Method == "sync" && strings.Contains(string(heard.Params), feed) && strings.Contains(string(heard.Params), `"complete":true`)
		})
	}
	if _, refused := c.ask("session.start", map[string]any{"session": "s", "folder": folder}); refused == nil {
		t.Error("it was started twice")
	}
	c.must("session.stop", ofSession(nil))
	c.must("session.stop", ofSession(nil))
	if _, refused := c.ask("contacts.check", ofSession(map[string]any{"phones": []string{"1@c.us"}})); refused == nil || refused.Data.Code != engineDisconnected {
		t.Errorf("a call after the stop was answered with %v", refused)
	}
	whatsapp.cut()
	whatsapp.http.CloseClientConnections()
	until(t, "its goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	if slices.ContainsFunc(all[statusParams](c, "status"), func(told statusParams) bool { return told.Status == "FAILED" }) {
		t.Error("a session that was stopped failed")
	}
}

func TestALostConnectionIsTheEndOfASession(t *testing.T) {
	whatsapp, c := greeted(t)
	start(c, linked(t))
	c.status("WORKING")
	silent := make(chan *rpcError, 1)
	whatsapp.drops(func(*waBinary.Node) { whatsapp.cut() })
	go func() {
		_, refused := c.ask("contacts.check", ofSession(map[string]any{"phones": []string{"12025550123@c.us"}}))
		silent <- refused
	}()
	if told := c.status("FAILED"); *told.Reason != reasonNetwork {
		t.Errorf("it failed with %s", *told.Reason)
	}
	if refused := <-silent; refused == nil || refused.Data.Code != engineDisconnected {
		t.Errorf("the call under way was answered with %v", refused)
	}
}

func TestADeviceThatIsRemovedForgetsItsCredentials(t *testing.T) {
	whatsapp, c := greeted(t)
	folder := linked(t)
	start(c, folder)
	c.status("WORKING")
	conflict := waBinary.Node{Tag: "conflict", Attrs: waBinary.Attrs{"type": "device_removed"}}
	whatsapp.tellAll(waBinary.Node{Tag: "stream:error", Attrs: waBinary.Attrs{"code": "401"}, Content: []waBinary.Node{conflict}})
	if told := c.status("FAILED"); *told.Reason != reasonLoggedOut {
		t.Errorf("it failed with %s", *told.Reason)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, storeFile+"*")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestANetworkThatIsAway(t *testing.T) {
	keepTransport(t)
	c := newCore(t)
	c.hello("ws://127.0.0.1:1/ws/chat")
	start(c, linked(t))
	if told := c.status("FAILED"); *told.Reason != reasonNetwork {
		t.Errorf("it failed with %s", *told.Reason)
	}
}

func TestAHandlerThatPanicsEndsItsSessionAlone(t *testing.T) {
	c := newCore(t)
	s := standing(t, c) // not connected, so that there is no map of LIDs
	blocked := &events.Blocklist{Changes: []events.BlocklistChange{{JID: types.NewJID("9", types.HiddenUserServer)}}}
	if s.handler(nil)(blocked) {
		t.Error("what was not kept is acknowledged")
	}
	if why := <-s.ending; why.reason != reasonCrashed || why.forget {
		t.Errorf("the session ends with %+v", why)
	}
	c.await("the stack in the log", func(heard message) bool {
		return heard.Method == "log" && strings.Contains(string(heard.Params), "heardBlocklist")
	})
	c.must("ping", struct{}{})
}

func TestCallsHaveALimitOfTheirOwn(t *testing.T) {
	whatsapp, c := greeted(t)
	start(c, linked(t))
	c.status("WORKING")
	asked := make(chan struct{}, 8)
	whatsapp.drops(func(*waBinary.Node) { pulse(asked) })
	_, refused := c.ask("contacts.check", map[string]any{"session": "s", "timeout": 0.1, "phones": []string{"12025550123@c.us"}})
	if refused == nil || refused.Data.Code != engineTimeout {
		t.Errorf("answered %v", refused)
	}
	<-asked
}

func TestALostStoreIsSaid(t *testing.T) {
	keepTransport(t)
	c := newCore(t)
	c.hello("ws://127.0.0.1:1/ws/chat")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, storeFile), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	start(c, folder)
	if told := c.status("STARTING"); told.Detail == nil || !strings.Contains(*told.Detail, "linked again") {
		t.Errorf("it says %v", told.Detail)
	}
}

func TestAnswersAreMatchedByTheNumberAsked(t *testing.T) {
	whatsapp, c := greeted(t)
	lid, phone := types.NewJID("77", types.HiddenUserServer), types.NewJID("5511987654321", types.DefaultUserServer)
	contact := func(kind, number string) waBinary.Node {
		return waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"type": kind}, Content: []byte("+" + number + "@c.us")}
	}
	whatsapp.answers(func(query *waBinary.Node) []waBinary.Node {
		if query.Attrs["xmlns"] != "usync" {
			return nil
		}
		users := []waBinary.Node{
			{Tag: "user", Attrs: waBinary.Attrs{"jid": lid, "pn_jid": phone}, Content: []waBinary.Node{
				contact("in", "551187654321"), {Tag: "business"}, {Tag: "username", Content: []byte("ana")}}},
			{Tag: "user", Attrs: waBinary.Attrs{"pn_jid": types.NewJID("12025550000", types.DefaultUserServer)},
				Content: []waBinary.Node{contact("out", "12025550000")}},
		}
		return []waBinary.Node{{Tag: "usync", Content: []waBinary.Node{{Tag: "list", Content: users}}}}
	})
	start(c, linked(t))
	c.status("WORKING")
	var got checkResult
	raw := c.must("contacts.check", ofSession(map[string]any{"phones": []string{"12025550000@c.us", "551187654321@c.us", "12025550001@c.us"}}))
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Answers) != 3 || got.Answers[0].Phone != nil || got.Answers[2].Phone != nil || got.Answers[2].Asked != "12025550001@c.us" {
		t.Errorf("answered %s", raw)
	}
	if found := got.Answers[1]; *found.Phone != "5511987654321@c.us" || *found.Lid != "77@lid" || *found.Username != "ana" || !found.Business || found.VerifiedName != nil {
		t.Errorf("answered %s", raw)
	}
}
