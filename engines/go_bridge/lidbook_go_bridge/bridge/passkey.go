package main

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/types"
)

type passkeyParams struct {
	Assertion *types.WebAuthnResponse `json:"assertion"`
}

// passkeyTurn bounds how long one session answers for a passkey while others wait to do so.
const passkeyTurn = 20 * time.Second

// answerPasskey hands over what the account's passkey signed. whatsmeow reads the device's kind from a global between
// two queries of it, and the server compares it with the one that this connection named: so one session does at a time.
func (s *session) answerPasskey(ctx context.Context, params passkeyParams) (struct{}, error) {
	if params.Assertion == nil {
		return struct{}{}, badParams{errors.New("an assertion is missing")}
	}
	if _, passkey, _, _ := s.pairing.look(); !passkey {
		return struct{}{}, failedWith(passkeyRefused, nil, "WhatsApp asked for no passkey")
	}
	select {
	case s.host.passkeys <- struct{}{}:
		defer func() { <-s.host.passkeys }()
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, passkeyTurn)
	defer cancel()
	defer speakAs(identityOf(s.client))()
	return struct{}{}, refusedPasskey(s.whatsapp().SendPasskeyResponse(ctx, params.Assertion))
}

// confirmPasskey says that the owner saw the same code on the phone.
func (s *session) confirmPasskey(ctx context.Context, _ struct{}) (struct{}, error) {
	if _, passkey, _, _ := s.pairing.look(); !passkey {
		return struct{}{}, failedWith(passkeyRefused, nil, "WhatsApp asked for no passkey")
	}
	return struct{}{}, refusedPasskey(s.whatsapp().SendPasskeyConfirmation(ctx))
}

// refusedPasskey tells a passkey that WhatsApp does not take from everything else that can go wrong.
func refusedPasskey(err error) error {
	if isRefusal(err, 400, 401, 403, 404, 405, 406, 409, 410) {
		return failedWith(passkeyRefused, err, "WhatsApp did not take this passkey; try again")
	}
	return err
}

// challenge is what to sign, with lists that are empty rather than null.
func challenge(asked *types.WebAuthnPublicKey) types.WebAuthnPublicKey {
	whole := *asked
	whole.AllowCredentials = append([]types.AllowedCredential{}, asked.AllowCredentials...)
	for i := range whole.AllowCredentials {
		whole.AllowCredentials[i].Transports = notNil(whole.AllowCredentials[i].Transports)
	}
	if whole.Extensions == nil {
		whole.Extensions = map[string]any{}
	}
	return whole
}
