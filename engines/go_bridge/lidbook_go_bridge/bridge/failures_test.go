package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
)

// elsewhere are errors of things that this host never does: sending messages, links, newsletters, groups' pictures.
var elsewhere = strings.Fields(`
	ErrNoSession ErrBroadcastListUnsupported ErrUnknownServer ErrRecipientADJID ErrServerReturnedError
	ErrInvalidInlineBotID ErrGroupInviteLinkUnauthorized ErrInviteLinkInvalid ErrInviteLinkRevoked
	ErrBusinessMessageLinkNotFound ErrContactQRLinkNotFound ErrInvalidImageFormat ErrInvalidDisappearingTimer
	ErrFileLengthMismatch ErrOriginalMessageSecretNotFound ErrNotEncryptedReactionMessage
	ErrNotEncryptedCommentMessage ErrNotSecretEncryptedMessage ErrNotPollUpdateMessage
	ErrEventAlreadyProcessed`)

func TestEveryErrorOfWhatsmeowIsForeseen(t *testing.T) {
	known := make(map[string]bool)
	for _, each := range elsewhere {
		known[each] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "failures.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			known[selector.Sel.Name] = true
		}
		return true
	})
	found := append(exportedErrors(t, "go.mau.fi/whatsmeow"), exportedErrors(t, "go.mau.fi/whatsmeow/socket")...)
	found = append(found, exportedErrors(t, "go.mau.fi/whatsmeow/appstate")...)
	if len(found) < 50 {
		t.Fatalf("only %d errors were found in whatsmeow's sources", len(found))
	}
	for _, each := range found {
		isQuery := strings.HasPrefix(each, "ErrIQ") && each != "ErrIQTimedOut" // all of one type, mapped by its code
		if !known[each] && !isQuery {
			t.Errorf("%s is mapped to no error of the core", each)
		}
	}
}

// exportedErrors are the names of a package's error values, read from its sources.
func exportedErrors(t *testing.T, path string) []string {
	t.Helper()
	var names []string
	for _, file := range sourcesOf(t, path) {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func sourcesOf(t *testing.T, path string) []*ast.File {
	t.Helper()
	found, err := build.Import(path, ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(found.Dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func TestErrorsInTheCoresWords(t *testing.T) {
	limit := &waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": "429", "backoff": "7.5"}}
	for name, each := range map[string]struct {
		err   error
		code  code
		after float64
	}{
		"a silent server":                 {whatsmeow.ErrIQTimedOut, engineTimeout, 0},
		"our own limit":                   {fmt.Errorf("asking: %w", context.DeadlineExceeded), engineTimeout, 0},
		"no connection":                   {whatsmeow.ErrNotConnected, engineDisconnected, 0},
		"a lost connection":               {fmt.Errorf("asking: %w", whatsmeow.ErrIQDisconnected), engineDisconnected, 0},
		"a device that is not linked":     {whatsmeow.ErrNotLoggedIn, loggedOut, 0},
		"a limit that says how long":      {&whatsmeow.IQError{Code: 429, Text: "other", ErrorNode: limit}, rateLimited, 7.5},
		"a limit that does not":           {whatsmeow.ErrIQRateOverLimit, rateLimited, patience},
		"a conflict":                      {&whatsmeow.IQError{Code: 409}, conflict, 0},
		"a refusal":                       {whatsmeow.ErrIQForbidden, engineError, 0},
		"an answer that is none":          {&whatsmeow.ElementMissingError{Tag: "list", In: "answer"}, engineError, 0},
		"a refusal with its text changed": {&whatsmeow.IQError{Code: 504, Text: "whatever"}, engineTimeout, 0},
		"the app state's refusal":         {errors.Join(&whatsmeow.IQError{Code: 429}, whatsmeow.ErrAppStateUpdate), rateLimited, patience},
		"one of ours":                     {failedWith(notOnWhatsApp, nil, "nobody"), notOnWhatsApp, 0},
		"the core's refusal":              {&rpcError{Code: failed, Message: "full"}, engineError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer := asRPCError(failureOf(each.err))
			if answer.Data.Code != each.code {
				t.Errorf("it is %s, not %s: %v", answer.Data.Code, each.code, answer)
			}
			if each.after > 0 && (answer.Data.RetryAfter == nil || *answer.Data.RetryAfter != each.after) {
				t.Errorf("the core is to wait %v seconds, not %v", answer.Data.RetryAfter, each.after)
			}
		})
	}
}
