package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"go.mau.fi/whatsmeow/store"
)

// safeBuffer is where whatsmeow keeps a message from its decryption until it was handled. It decrypts in a transaction,
// which a panic would leave open, on the one connection that the store has: so a panic is an error here.
type safeBuffer struct {
	store.EventBuffer
	log logger
}

func (b safeBuffer) DoDecryptionTxn(ctx context.Context, decrypt func(context.Context) error) error {
	return b.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) (err error) {
		defer func() {
			if value := recover(); value != nil {
				b.log.error("decrypting a message crashed", "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
				err = fmt.Errorf("decrypting a message crashed: %v", value)
			}
		}()
		return decrypt(ctx)
	})
}
