package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// Levels of a log line, in order.
const (
	levelDebug = iota
	levelInfo
	levelWarning
	levelError
)

var levelNames = []string{"debug", "info", "warning", "error"}

// longestText is how much of a text the log is told: nobody needs a whole stanza there.
const longestText = 300

func levelOf(said string) int {
	for level, each := range levelNames {
		if strings.EqualFold(said, each) {
			return level
		}
	}
	return levelInfo
}

type logLine struct {
	Session *string        `json:"session"`
	Level   string         `json:"level"`
	Event   string         `json:"event"`
	Values  map[string]any `json:"values"`
}

// logger tells the core what is going on, for one session or for the host.
type logger struct {
	wire    *wire
	level   int
	session *string
}

func (l logger) of(session string) logger {
	l.session = &session
	return l
}

// tell writes an event with values by name, given in pairs.
func (l logger) tell(level int, event string, pairs ...any) {
	if level < l.level {
		return
	}
	values := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		value := pairs[i+1]
		if failed, ok := value.(error); ok {
			value = failed.Error()
		}
		values[fmt.Sprint(pairs[i])] = value
	}
	if err := l.wire.notify("log", logLine{l.session, levelNames[level], event, values}); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s %v\n", levelNames[level], event, values)
	}
}

func (l logger) debug(event string, pairs ...any)   { l.tell(levelDebug, event, pairs...) }
func (l logger) info(event string, pairs ...any)    { l.tell(levelInfo, event, pairs...) }
func (l logger) warning(event string, pairs ...any) { l.tell(levelWarning, event, pairs...) }
func (l logger) error(event string, pairs ...any)   { l.tell(levelError, event, pairs...) }

// libraryLog is whatsmeow's log. Its debug lines hold QR codes, keys and messages, so stanzas are named and never shown.
//
// What it complains of once its session is over is of no interest: the store is closed under its hands.
type libraryLog struct {
	log    logger
	module string
	over   <-chan struct{}
}

func (l *libraryLog) Errorf(text string, values ...any) { l.tell(levelError, text, values) }
func (l *libraryLog) Warnf(text string, values ...any)  { l.tell(levelWarning, text, values) }
func (l *libraryLog) Infof(text string, values ...any)  { l.tell(levelInfo, text, values) }
func (l *libraryLog) Debugf(text string, values ...any) { l.tell(levelDebug, text, values) }

func (l *libraryLog) Sub(module string) waLog.Logger {
	if l.module != "" {
		module = l.module + "/" + module
	}
	return &libraryLog{l.log, module, l.over}
}

// tell filters before it formats: most lines of a busy session are never seen.
func (l *libraryLog) tell(level int, text string, values []any) {
	if l.module == "Socket" {
		level = min(level, levelInfo) // that a connection is lost is told by the session's end
	}
	select {
	case <-l.over:
		level = levelDebug
	default:
	}
	if level < l.log.level {
		return
	}
	shown := make([]any, len(values))
	for i, value := range values {
		shown[i] = value
		switch value := value.(type) {
		case *waBinary.Node:
			shown[i] = named(value)
		case waBinary.Node:
			shown[i] = named(&value)
		case []byte:
			shown[i] = fmt.Sprintf("(%d bytes)", len(value))
		case error:
			if errors.Is(value, errOwned) { // the host refused it on purpose
				return
			}
		}
	}
	line := fmt.Sprintf(text, shown...)
	if strings.Contains(text, "rame hex") || strings.Contains(line, "https://wa.me/settings/linked_devices") {
		return
	}
	if len(line) > longestText {
		line = strings.ToValidUTF8(line[:longestText], "") + "…"
	}
	l.log.tell(level, "whatsmeow: "+line, "module", l.module)
}

// named is a stanza without what it carries.
func named(node *waBinary.Node) string {
	if node == nil {
		return "no stanza"
	}
	kind, _ := node.Attrs["type"].(string)
	code := fmt.Sprint(node.Attrs["code"])
	switch {
	case kind != "":
		return fmt.Sprintf("<%s type=%s>", node.Tag, kind)
	case node.Attrs["code"] != nil:
		return fmt.Sprintf("<%s code=%s>", node.Tag, code)
	}
	return "<" + node.Tag + ">"
}
