package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// core plays Lidbook's part on the other end of a host's socket.
type core struct {
	t      *testing.T
	socket net.Conn
	host   *host
	served chan error

	mu      sync.Mutex
	lastID  int64
	answers map[int64]chan message
	heard   []message
	more    chan struct{}
	// refuse answers a request of the host's with an error.
	refuse func(message) *rpcError
}

// newCore starts a host and speaks to it until the test ends.
func newCore(t *testing.T) *core {
	t.Helper()
	near, far := net.Pipe()
	c := &core{
		t: t, socket: near, host: newHost(far), served: make(chan error, 1),
		answers: make(map[int64]chan message), more: make(chan struct{}, 1),
	}
	go func() {
		err := c.host.serve()
		c.host.close()
		c.served <- err
	}()
	go c.listen()
	t.Cleanup(c.hangUp)
	return c
}

func (c *core) hangUp() {
	_ = c.socket.Close()
	select {
	case err := <-c.served:
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			c.t.Errorf("the host ended with %v", err)
		}
		c.served <- err
	case <-time.After(20 * time.Second):
		c.t.Error("the host did not end when its socket was closed")
	}
}

func (c *core) listen() {
	reader := bufio.NewReader(c.socket)
	for {
		line, err := readLine(reader)
		if err != nil {
			return
		}
		var received message
		if err := json.Unmarshal(line, &received); err != nil {
			c.t.Errorf("%q is no message: %v", line, err)
			return
		}
		if received.Method == "" {
			c.mu.Lock()
			waiter := c.answers[*received.ID]
			c.mu.Unlock()
			waiter <- received
			continue
		}
		c.mu.Lock()
		c.heard = append(c.heard, received)
		refuse := c.refuse
		c.mu.Unlock()
		pulse(c.more)
		if received.ID != nil {
			answer := message{Version: "2.0", ID: received.ID, Result: json.RawMessage("{}")}
			if refuse != nil {
				if refused := refuse(received); refused != nil {
					answer.Result, answer.Error = nil, refused
				}
			}
			c.write(answer)
		}
	}
}

func (c *core) write(sent message) {
	line, err := json.Marshal(sent)
	if err != nil {
		c.t.Error(err)
	}
	if _, err := c.socket.Write(append(line, '\n')); err != nil {
		return // the test is over
	}
}

// ask sends a request and waits for its answer.
func (c *core) ask(method string, params any) (json.RawMessage, *rpcError) {
	c.t.Helper()
	encoded, err := json.Marshal(params)
	if err != nil {
		c.t.Fatal(err)
	}
	waiter := make(chan message, 1)
	c.mu.Lock()
	c.lastID++
	id := c.lastID
	c.answers[id] = waiter
	c.mu.Unlock()
	go c.write(message{Version: "2.0", ID: &id, Method: method, Params: encoded})
	select {
	case answer := <-waiter:
		return answer.Result, answer.Error
	case <-time.After(20 * time.Second):
		c.t.Fatalf("%s was not answered", method)
		return nil, nil
	}
}

// must is ask for a request that succeeds.
func (c *core) must(method string, params any) json.RawMessage {
	c.t.Helper()
	result, refused := c.ask(method, params)
	if refused != nil {
		c.t.Fatalf("%s failed: %v", method, refused)
	}
	return result
}

// await waits for a message of the host's for which is says yes.
func (c *core) await(what string, is func(message) bool) message {
	c.t.Helper()
	over := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		for _, each := range c.heard {
			if is(each) {
				c.mu.Unlock()
				return each
			}
		}
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-over:
			c.t.Fatalf("waited in vain for %s; heard %s", what, c.methods())
		}
	}
}

// status waits for a status of a session, and answers its params.
func (c *core) status(wanted string) statusParams {
	c.t.Helper()
	var told statusParams
	c.await("the status "+wanted, func(heard message) bool {
		if heard.Method != "status" {
			return false
		}
		told = statusParams{}
		return json.Unmarshal(heard.Params, &told) == nil && told.Status == wanted
	})
	return told
}

func (c *core) methods() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	methods := make([]string, len(c.heard))
	for i, each := range c.heard {
		methods[i] = each.Method + string(each.Params)
	}
	return methods
}

// all are the params of every message of one method.
func all[P any](c *core, method string) []P {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []P
	for _, each := range c.heard {
		if each.Method == method {
			var params P
			if err := json.Unmarshal(each.Params, &params); err != nil {
				c.t.Fatal(err)
			}
			found = append(found, params)
		}
	}
	return found
}

// hello greets a host; its network is one at an address that nobody listens on unless the test says so.
func (c *core) hello(websocket string) {
	c.t.Helper()
	c.must("hello", map[string]any{
		"protocol": 1, "engine": "go-bridge", "log_level": "debug",
		"network": map[string]any{"websocket": websocket, "web_page": "http://127.0.0.1:1/", "root_key": rootKey, "control_url": "http://127.0.0.1:1"},
	})
}

const rootKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
