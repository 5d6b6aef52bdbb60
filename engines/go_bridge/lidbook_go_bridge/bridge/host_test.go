package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRequestsThatAreNotAsTheProtocolHasThem(t *testing.T) {
	keepTransport(t)
	for name, each := range map[string]struct {
		method string
		params any
		code   int
	}{
		"an unknown method":           {"contacts.invent", struct{}{}, methodNotFound},
		"a hello of another protocol": {"hello", map[string]any{"protocol": 2}, invalidParams},
		"a network elsewhere": {"hello", map[string]any{"protocol": 1, "network": map[string]any{
			"websocket": "ws://192.0.2.1:80/ws", "root_key": rootKey}}, invalidParams},
		"a network without a port": {"hello", map[string]any{"protocol": 1, "network": map[string]any{
			"websocket": "ws://127.0.0.1/ws", "root_key": rootKey}}, invalidParams},
		"a short root key": {"hello", map[string]any{"protocol": 1, "network": map[string]any{
			"websocket": "ws://127.0.0.1:9/ws", "root_key": "00"}}, invalidParams},
		"a session before hello":     {"session.start", map[string]any{"session": "s", "folder": "/nowhere"}, invalidParams},
		"a session without a folder": {"session.start", map[string]any{"session": "s"}, invalidParams},
		"params of the wrong type":   {"contacts.check", []int{1}, invalidParams},
		"a version that is none": {"session.start", map[string]any{
			"session": "s", "folder": "/nowhere", "settings": map[string]any{"wa_version": "new"}}, invalidParams},
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := newCore(t).ask(each.method, each.params)
			if refused == nil || refused.Code != each.code {
				t.Errorf("answered %v, not an error with code %d", refused, each.code)
			}
		})
	}
}

func TestHelloSaysWhatTheHostIs(t *testing.T) {
	keepTransport(t)
	c := newCore(t)
	var said map[string]any
	if err := json.Unmarshal(c.must("hello", map[string]any{"protocol": 1, "engine": "go-bridge", "network": nil, "log_level": "info"}), &said); err != nil {
		t.Fatal(err)
	}
	if said["protocol"] != float64(1) || said["name"] != name || !strings.HasPrefix(said["library"].(string), "whatsmeow ") {
		t.Errorf("hello was answered with %v", said)
	}
	if _, refused := c.ask("hello", map[string]any{"protocol": 1}); refused == nil {
		t.Error("hello was taken twice")
	}
	if got := string(c.must("ping", struct{}{})); got != "{}" {
		t.Errorf("ping was answered with %s", got)
	}
}

func TestASessionThatDoesNotRun(t *testing.T) {
	c := newCore(t)
	for _, method := range []string{"contacts.check", "session.pairing_code", "session.logout"} {
		if _, refused := c.ask(method, map[string]any{"session": "nobody", "phones": []string{}, "phone": "1@c.us"}); refused == nil || refused.Data.Code != engineDisconnected {
			t.Errorf("%s was answered with %v", method, refused)
		}
	}
	c.must("session.stop", map[string]any{"session": "nobody"})
}

func TestAHandlerThatPanicsIsAnError(t *testing.T) {
	c := newCore(t)
	c.host.methods["panic"] = method{answer: func(_ context.Context, _ *host, _ json.RawMessage) (any, error) { panic("at the host") }}
	_, refused := c.ask("panic", struct{}{})
	if refused == nil || refused.Data.Code != engineError {
		t.Errorf("answered %v", refused)
	}
	logged := c.await("a line in the log", func(heard message) bool { return heard.Method == "log" })
	if !strings.Contains(string(logged.Params), "at the host") || !strings.Contains(string(logged.Params), "host_test.go") {
		t.Errorf("logged %s, without the panic or its stack", logged.Params)
	}
}

func TestTheHostEndsWithItsSocket(t *testing.T) {
	c := newCore(t)
	_ = c.socket.Close()
	if err := <-c.served; !errors.Is(err, io.EOF) {
		t.Errorf("the host ended with %v", err)
	}
	c.served <- nil
}

func TestLinesOfAnyLengthAreRead(t *testing.T) {
	for name, each := range map[string]struct {
		text string
		err  error
	}{
		"a short one":              {"{}\n", nil},
		"one beyond the buffer":    {strings.Repeat("x", 200_000) + "\n", nil},
		"one that is cut off":      {"{\"jsonrpc\"", io.ErrUnexpectedEOF},
		"nothing":                  {"", io.EOF},
		"one beyond all measure":   {strings.Repeat("x", longestLine+10) + "\n", errLineTooLong},
		"the longest there may be": {strings.Repeat("x", longestLine-1) + "\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := readLine(bufio.NewReaderSize(strings.NewReader(each.text), 4096))
			if !errors.Is(err, each.err) || (err == nil && string(line) != each.text) {
				t.Errorf("read %d bytes and %v", len(line), err)
			}
		})
	}
}

// keepTransport restores what a hello with a network replaces for the whole process.
func keepTransport(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
}
