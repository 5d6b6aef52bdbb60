package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// longestLine is what one message may take, line end included.
const longestLine = 16 << 20

var (
	errLineTooLong = fmt.Errorf("a message is longer than %d bytes", longestLine)
	errHungUp      = errors.New("the socket to the core is closed")
)

// message is any of JSON-RPC's: a request, a notification, an answer.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      *int64          `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// wire sends and receives messages, one a line, in both directions at once.
type wire struct {
	socket  net.Conn
	writing sync.Mutex

	mu      sync.Mutex
	lastID  int64
	waiting map[int64]chan message
	hungUp  bool
}

func newWire(socket net.Conn) *wire {
	return &wire{socket: socket, waiting: make(map[int64]chan message)}
}

// receive hands every request and notification to take, in order, until the socket ends. It returns io.EOF when the
// core closed it.
func (w *wire) receive(take func(message)) error {
	defer w.hangUp()
	reader := bufio.NewReaderSize(w.socket, 64<<10)
	for {
		line, err := readLine(reader)
		if err != nil {
			return err
		}
		var received message
		if err := json.Unmarshal(line, &received); err != nil {
			return fmt.Errorf("a line from the core is no message: %w", err)
		}
		switch {
		case received.Method != "":
			take(received)
		case received.ID != nil:
			w.answered(received)
		}
	}
}

func readLine(reader *bufio.Reader) ([]byte, error) {
	var whole []byte
	for {
		part, err := reader.ReadSlice('\n')
		switch {
		case err == nil && whole == nil:
			return part, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) && len(whole)+len(part) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		whole = append(whole, part...)
		if len(whole) > longestLine {
			return nil, errLineTooLong
		}
		if err == nil {
			return whole, nil
		}
	}
}

func (w *wire) answered(answer message) {
	w.mu.Lock()
	waiter := w.waiting[*answer.ID]
	delete(w.waiting, *answer.ID)
	w.mu.Unlock()
	if waiter != nil {
		waiter <- answer
	}
}

// hangUp ends every call that waits for an answer.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hungUp = true
	for id, waiter := range w.waiting {
		delete(w.waiting, id)
		close(waiter)
	}
}

// call asks the core and waits for its answer. A refusal of the core is an *rpcError.
func (w *wire) call(ctx context.Context, method string, params, result any) error {
	waiter := make(chan message, 1)
	w.mu.Lock()
	if w.hungUp {
		w.mu.Unlock()
		return errHungUp
	}
	w.lastID++
	id := w.lastID
	w.waiting[id] = waiter
	w.mu.Unlock()
	if err := w.send(method, &id, params); err != nil {
		w.forget(id)
		return err
	}
	select {
	case answer, ok := <-waiter:
		switch {
		case !ok:
			return errHungUp
		case answer.Error != nil:
			return answer.Error
		case result == nil:
			return nil
		}
		return json.Unmarshal(answer.Result, result)
	case <-ctx.Done():
		w.forget(id)
		return ctx.Err()
	}
}

func (w *wire) forget(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, id)
}

// notify tells the core something; that the socket is gone ends the host elsewhere.
func (w *wire) notify(method string, params any) error {
	return w.send(method, nil, params)
}

func (w *wire) send(method string, id *int64, params any) error {
	encoded, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("%s cannot be written as JSON: %w", method, err)
	}
	return w.write(message{ID: id, Method: method, Params: encoded})
}

// answer ends a request of the core's.
func (w *wire) answer(id int64, result any, failed error) error {
	if failed == nil {
		encoded, err := json.Marshal(result)
		if err == nil {
			return w.write(message{ID: &id, Result: encoded})
		}
		failed = fmt.Errorf("the answer cannot be written as JSON: %w", err)
	}
	return w.write(message{ID: &id, Error: asRPCError(failed)})
}

func (w *wire) write(sent message) error {
	sent.Version = "2.0"
	var line bytes.Buffer
	encoder := json.NewEncoder(&line) // ends the line
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(sent); err != nil {
		return err
	}
	if line.Len() > longestLine {
		return errLineTooLong
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	_, err := w.socket.Write(line.Bytes())
	return err
}
