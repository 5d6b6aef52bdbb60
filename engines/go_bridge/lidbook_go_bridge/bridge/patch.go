package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/appstate/lthash"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/util/cbcutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

const macSize = 32

// contactVersion is the version of the mutations that write a contact.
const contactVersion = 2

// mutation is one change to the app state. whatsmeow encodes no removals, so patches are encoded here.
type mutation struct {
	operation waServerSync.SyncdMutation_SyncdOperation
	index     []string
	value     *waSyncAction.SyncActionValue
}

// patchKeys are what a key of the app state is expanded to.
type patchKeys struct {
	index, encryption, value, snapshot, patch []byte
}

func expanded(key []byte) patchKeys {
	whole := hkdfutil.SHA256(key, nil, []byte("WhatsApp Mutation Keys"), 5*macSize)
	part := func(i int) []byte { return whole[i*macSize : (i+1)*macSize] }
	return patchKeys{part(0), part(1), part(2), part(3), part(4)}
}

// encodePatch writes mutations as the next version of a collection. previous gives the MAC of the value that stands
// under an index now, or nil.
func encodePatch(name appstate.WAPatchName, state appstate.HashState, keyID, key []byte, mutations []mutation, previous func(index []byte) ([]byte, error)) ([]byte, error) {
	keys := expanded(key)
	patch := &waServerSync.SyncdPatch{KeyID: &waServerSync.KeyId{ID: keyID}}
	var added, removed, values [][]byte
	for _, each := range mutations {
		encoded, valueMAC, err := each.encode(keys, keyID)
		if err != nil {
			return nil, err
		}
		before, err := previous(encoded.GetRecord().GetIndex().GetBlob())
		if err != nil {
			return nil, err
		}
		if before != nil {
			removed = append(removed, before)
		}
		if each.operation == waServerSync.SyncdMutation_SET {
			added = append(added, valueMAC)
		}
		values = append(values, valueMAC)
		patch.Mutations = append(patch.Mutations, encoded)
	}
	lthash.WAPatchIntegrity.SubtractThenAddInPlace(state.Hash[:], removed, added)
	version := bigEndian(state.Version + 1)
	patch.SnapshotMAC = mac(sha256.New, keys.snapshot, state.Hash[:], version, []byte(name))
	parts := append([][]byte{patch.SnapshotMAC}, values...)
	patch.PatchMAC = mac(sha256.New, keys.patch, append(parts, version, []byte(name))...)
	return proto.Marshal(patch)
}

func (m mutation) encode(keys patchKeys, keyID []byte) (*waServerSync.SyncdMutation, []byte, error) {
	index, err := json.Marshal(m.index)
	if err != nil {
		return nil, nil, err
	}
	plain, err := proto.Marshal(&waSyncAction.SyncActionData{
		Index: index, Value: m.value, Padding: []byte{}, Version: proto.Int32(contactVersion),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the contact cannot be encoded: %w", err)
	}
	sealed, err := cbcutil.Encrypt(keys.encryption, nil, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("the contact cannot be encrypted: %w", err)
	}
	// The operation counts from 1 in the MAC, and from 0 in the protobuf.
	operation := []byte{byte(m.operation) + 1}
	valueMAC := mac(sha512.New, keys.value, operation, keyID, sealed, bigEndian(uint64(len(keyID)+1)))[:macSize]
	return &waServerSync.SyncdMutation{
		Operation: m.operation.Enum(),
		Record: &waServerSync.SyncdRecord{
			Index: &waServerSync.SyncdIndex{Blob: mac(sha256.New, keys.index, index)},
			Value: &waServerSync.SyncdValue{Blob: append(sealed, valueMAC...)},
			KeyID: &waServerSync.KeyId{ID: keyID},
		},
	}, valueMAC, nil
}

func mac(kind func() hash.Hash, key []byte, parts ...[]byte) []byte {
	sum := hmac.New(kind, key)
	for _, each := range parts {
		sum.Write(each)
	}
	return sum.Sum(nil)
}

func bigEndian(number uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, number)
}
