package main

import (
	"context"
	"errors"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

// hashSize is how long the hash of a whole collection is.
const hashSize = 128

// requestRecovery asks the phone, once a run, for the address book as it is: what the server has of it does not verify,
// from the beginning on, and will not later.
func (b *book) requestRecovery() {
	if b.requested.Swap(true) {
		return
	}
	client := b.session.whatsapp()
	b.session.begin("a request for the address book", func() {
		_, err := client.SendPeerMessage(b.session.ctx, whatsmeow.BuildAppStateRecoveryRequest(bookCollection))
		if err != nil && b.session.ctx.Err() == nil {
			b.session.log.warning("the phone could not be asked for the address book", "error", err)
		}
	})
}

// heardRecovery takes the phone's answer to such a request, which the next fetch begins with.
func (b *book) heardRecovery(answer *waE2E.PeerDataOperationRequestResponseMessage) {
	for _, each := range answer.GetPeerDataOperationResult() {
		packed := each.GetSyncdSnapshotFatalRecoveryResponse()
		if packed == nil || !b.requested.Load() {
			continue
		}
		snapshot, err := appstate.ParseRecovery(packed)
		if err != nil || len(snapshot.GetCollectionLthash()) != hashSize {
			b.session.log.warning("the phone's address book cannot be read", "error", err)
			continue
		}
		if snapshot.GetCollectionName() == string(bookCollection) {
			b.recovery.Store(snapshot)
			b.pulse()
		}
	}
}

// takeRecovery takes over the phone's answer as a fetch of everything, if there is one.
func (b *book) takeRecovery(ctx context.Context) (taken bool, err error) {
	snapshot := b.recovery.Swap(nil)
	if snapshot == nil {
		return false, nil
	}
	begun := nowMs()
	staged := newStaged(b.state, true)
	processor := appstate.NewProcessor(&store.Device{AppState: staged, AppStateKeys: b.keys}, b.session.libraryLog)
	mutations, err := processor.ProcessRecovery(ctx, snapshot)
	if err != nil {
		if errors.Is(err, appstate.ErrKeyNotFound) {
			b.recovery.CompareAndSwap(nil, snapshot)
		}
		return false, err
	}
	found := newPages(b, true)
	if err := b.keep(ctx, mutations, staged, found); err != nil {
		return false, err
	}
	return true, found.tellGone(ctx, begun)
}

// heardKeys keeps keys before their message is acknowledged: whatsmeow stores them beside that, and the phone sends
// them once.
func (b *book) heardKeys(ctx context.Context, share *waE2E.AppStateSyncKeyShare) error {
	for _, each := range share.GetKeys() {
		if len(each.GetKeyID().GetKeyID()) == 0 || len(each.GetKeyData().GetKeyData()) == 0 {
			continue
		}
		fingerprint, err := proto.Marshal(each.GetKeyData().GetFingerprint())
		if err != nil {
			return err
		}
		err = b.keys.PutAppStateSyncKey(ctx, each.GetKeyID().GetKeyID(), store.AppStateSyncKey{
			// A key may come without a fingerprint, which the store does not take for nothing.
			Data: each.GetKeyData().GetKeyData(), Fingerprint: append([]byte{}, fingerprint...), Timestamp: each.GetKeyData().GetTimestamp(),
		})
		if err != nil {
			return err
		}
	}
	b.pulse()
	return nil
}
