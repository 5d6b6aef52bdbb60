// Command go-bridge is a host: many WhatsApp sessions on whatsmeow in one process, driven over a socket.
//
// It speaks Lidbook's host protocol on the descriptor named in LIDBOOK_HOST_FD, and exits when that socket is closed.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

const (
	// name and version are what the host calls itself in its answer to hello.
	name    = "lidbook-go-bridge"
	version = "1"

	// collectAt makes the garbage collector run after the heap grew by so many per cent: hundreds of sessions sit idle,
	// so memory is worth more than the time it takes.
	collectAt = 50
	// memoryWanted is where the collector begins to work hard; not a limit that kills.
	memoryWanted = 2 << 30
)

func main() {
	if err := run(os.Getenv("LIDBOOK_HOST_FD")); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(descriptor string) error {
	syscall.Umask(0o077) // session files hold the keys of accounts
	tuneMemory()
	socket, err := inherited(descriptor)
	if err != nil {
		return err
	}
	h := newHost(socket)
	err = h.serve()
	h.close()
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

func inherited(descriptor string) (net.Conn, error) {
	number, err := strconv.Atoi(descriptor)
	if err != nil || number < 0 {
		return nil, fmt.Errorf("LIDBOOK_HOST_FD is %q: this program is started by Lidbook, with the number of a socket in it", descriptor)
	}
	syscall.CloseOnExec(number)
	file := os.NewFile(uintptr(number), "host socket")
	if file == nil {
		return nil, fmt.Errorf("descriptor %d is not open", number)
	}
	defer func() { _ = file.Close() }() // FileConn has its own duplicate
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is no socket: %w", number, err)
	}
	return conn, nil
}

func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryWanted)
	}
}
