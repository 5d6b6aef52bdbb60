package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
)

// code names a failure in the words of the core's error tree.
type code string

const (
	engineTimeout      code = "engine_timeout"
	engineDisconnected code = "engine_disconnected"
	loggedOut          code = "logged_out"
	rateLimited        code = "rate_limited"
	conflict           code = "conflict"
	changeNotTaken     code = "change_not_taken"
	notOnWhatsApp      code = "not_on_whatsapp"
	passkeyRefused     code = "passkey_refused"
	engineError        code = "engine_error"
	storageFailed      code = "storage_failed" // the core's alone
)

// JSON-RPC's own codes, and the one under which a failure's name is found in the data.
const (
	methodNotFound = -32601
	invalidParams  = -32602
	failed         = -32000
)

// patience is how long a rate limit is said to last that does not say it itself, in seconds.
const patience = 30

// rpcError is an error as it stands in a message.
type rpcError struct {
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Data    failureData `json:"data,omitzero"`
}

type failureData struct {
	Code       code     `json:"code,omitempty"`
	RetryAfter *float64 `json:"retry_after,omitempty"`
}

func (e *rpcError) Error() string { return e.Message }

// failure is an error that the core understands.
type failure struct {
	code       code
	sentence   string
	retryAfter float64
	cause      error
}

func (f *failure) Error() string {
	if f.cause == nil {
		return f.sentence
	}
	return fmt.Sprintf("%s (%v)", f.sentence, f.cause)
}

func (f *failure) Unwrap() error { return f.cause }

func failedWith(kind code, cause error, sentence string, values ...any) *failure {
	return &failure{code: kind, sentence: fmt.Sprintf(sentence, values...), cause: cause}
}

// badParams is a request that is not as the protocol has it.
type badParams struct{ error }

func asRPCError(err error) *rpcError {
	var ready *rpcError
	var malformed badParams
	var known *failure
	switch {
	case errors.As(err, &malformed):
		return &rpcError{Code: invalidParams, Message: malformed.Error()}
	case errors.As(err, &known):
		answer := &rpcError{Code: failed, Message: known.Error(), Data: failureData{Code: known.code}}
		if known.code == rateLimited {
			answer.Data.RetryAfter = &known.retryAfter
		}
		return answer
	case errors.As(err, &ready):
		return ready
	}
	return &rpcError{Code: failed, Message: err.Error(), Data: failureData{Code: engineError}}
}

// said is a sentence about errors of the library, with the code they mean.
type said struct {
	code     code
	sentence string
	errors   []error
}

// foreseen lists every error that whatsmeow exports and a contact call can meet; a test holds it against the library's.
var foreseen = []said{
	{engineTimeout, "WhatsApp did not answer in time", []error{
		whatsmeow.ErrIQTimedOut, whatsmeow.ErrMessageTimedOut, context.DeadlineExceeded}},
	{engineDisconnected, "the session is not connected to WhatsApp", []error{
		whatsmeow.ErrNotConnected, whatsmeow.ErrClientIsNil, context.Canceled, errHungUp,
		socket.ErrSocketClosed, socket.ErrSocketAlreadyOpen, socket.ErrDialFailed,
		net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET}},
	{engineError, "this is more than WhatsApp takes at a time", []error{socket.ErrFrameTooLarge}},
	{loggedOut, "the device is not linked to an account", []error{
		whatsmeow.ErrNotLoggedIn, store.ErrDeviceDeleted}},
	{engineError, "the phone has not shared its keys to the address book yet; try again in a minute", []error{
		appstate.ErrKeyNotFound}},
	{engineError, "the address book that WhatsApp sent does not verify", []error{
		appstate.ErrMismatchingLTHash, appstate.ErrMismatchingPatchMAC, appstate.ErrMismatchingContentMAC,
		appstate.ErrMismatchingIndexMAC, appstate.ErrMissingPreviousSetValueOperation}},
	{engineError, "WhatsApp refused the change to the address book", []error{whatsmeow.ErrAppStateUpdate}},
	{engineError, "this is no phone number in international form", []error{
		whatsmeow.ErrPhoneNumberTooShort, whatsmeow.ErrPhoneNumberIsNotInternational}},
	{engineError, "the device could not be linked; try again", []error{
		whatsmeow.ErrPairInvalidDeviceIdentityHMAC, whatsmeow.ErrPairInvalidDeviceSignature,
		whatsmeow.ErrPairRejectedLocally, whatsmeow.ErrQRAlreadyConnected, whatsmeow.ErrQRStoreContainsID}},
	{engineError, "WhatsApp does not show this", []error{
		whatsmeow.ErrProfilePictureUnauthorized, whatsmeow.ErrProfilePictureNotSet, whatsmeow.ErrNoPrivacyToken}},
	{engineError, "the account is not in this group", []error{whatsmeow.ErrNotInGroup, whatsmeow.ErrGroupNotFound}},
	{engineError, "the session is connected already", []error{whatsmeow.ErrAlreadyConnected}},
	{engineError, "the account has no push name yet", []error{whatsmeow.ErrNoPushName}},
	{engineError, "what WhatsApp put on its media server could not be had", []error{
		whatsmeow.ErrMediaDownloadFailedWith403, whatsmeow.ErrMediaDownloadFailedWith404,
		whatsmeow.ErrMediaDownloadFailedWith410, whatsmeow.ErrNoURLPresent, whatsmeow.ErrTooShortFile,
		whatsmeow.ErrInvalidMediaHMAC, whatsmeow.ErrInvalidMediaEncSHA256, whatsmeow.ErrInvalidMediaSHA256,
		whatsmeow.ErrInvalidUnencryptedMediaSHA256, whatsmeow.ErrUnknownMediaType,
		whatsmeow.ErrNothingDownloadableFound, whatsmeow.ErrMediaNotAvailableOnPhone,
		whatsmeow.ErrUnknownMediaRetryError}},
}

// failureOf says in the core's words what an error of the library, the store or the core means.
func failureOf(err error) error {
	var known *failure
	var malformed badParams
	var query *whatsmeow.IQError
	var cut *whatsmeow.DisconnectedError
	var core *rpcError
	switch {
	case errors.As(err, &known), errors.As(err, &malformed):
		return err
	case errors.As(err, &cut):
		return failedWith(engineDisconnected, err, "the connection was lost before WhatsApp answered")
	case errors.As(err, &query):
		return failureOfQuery(query, err)
	case errors.As(err, &core):
		return failedWith(engineError, err, "the directory did not take what was learnt")
	}
	for _, each := range foreseen {
		for _, one := range each.errors {
			if errors.Is(err, one) {
				return failedWith(each.code, err, "%s", each.sentence)
			}
		}
	}
	return failedWith(engineError, err, "the engine failed")
}

// failureOfQuery goes by the code alone: whatsmeow's own comparison wants the same text as well.
func failureOfQuery(query *whatsmeow.IQError, err error) *failure {
	switch query.Code {
	case 429:
		return limited(query, err)
	case 408, 504:
		return failedWith(engineTimeout, err, "WhatsApp's server ran out of time; try again")
	case 409:
		return failedWith(conflict, err, "another device changed the same thing at the same time; try again")
	case 500, 502, 503, 530:
		return failedWith(engineError, err, "WhatsApp's server has trouble of its own; try again later")
	case 0:
		return failedWith(engineError, err, "WhatsApp answered in a way that is not understood")
	}
	return failedWith(engineError, err, "WhatsApp refused this with %d %s", query.Code, query.Text)
}

// limited reads how long to wait from the attribute that servers write it in; WhatsApp's own seldom do.
func limited(query *whatsmeow.IQError, err error) *failure {
	found := failedWith(rateLimited, err, "WhatsApp limits how often this may be asked")
	found.retryAfter = patience
	if query.ErrorNode != nil {
		said := query.ErrorNode.AttrGetter().OptionalString("backoff")
		if seconds, parsed := strconv.ParseFloat(said, 64); parsed == nil && seconds > 0 {
			found.retryAfter = seconds
		}
	}
	return found
}

// isRefusal says whether the server answered a query with one of these codes.
func isRefusal(err error, codes ...int) bool {
	var query *whatsmeow.IQError
	if !errors.As(err, &query) {
		return false
	}
	for _, each := range codes {
		if query.Code == each {
			return true
		}
	}
	return false
}
