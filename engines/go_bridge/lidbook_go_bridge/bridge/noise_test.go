package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"go.mau.fi/whatsmeow/socket"
)

// noiseState is the state of a handshake, as the responder has it.
type noiseState struct {
	hash, salt []byte
	key        cipher.AEAD
	count      uint32
}

func newNoise() *noiseState {
	start := []byte(socket.NoiseStartPattern)
	noise := &noiseState{hash: start, salt: start, key: gcm(start)}
	noise.mix(socket.WAConnHeader)
	return noise
}

func (n *noiseState) mix(data []byte) {
	sum := sha256.Sum256(append(bytes.Clone(n.hash), data...))
	n.hash = sum[:]
}

func (n *noiseState) share(t *testing.T, own *ecdh.PrivateKey, theirs []byte) {
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		t.Error(err)
		return
	}
	secret, err := own.ECDH(public)
	if err != nil {
		t.Error(err)
	}
	keys := expand(n.salt, secret)
	n.salt, n.key, n.count = keys[:32], gcm(keys[32:]), 0
}

func (n *noiseState) seal(plain []byte) []byte {
	sealed := n.key.Seal(nil, nonce(n.count), plain, n.hash)
	n.count++
	n.mix(sealed)
	return sealed
}

func (n *noiseState) open(t *testing.T, sealed []byte) []byte {
	plain, err := n.key.Open(nil, nonce(n.count), sealed, n.hash)
	if err != nil {
		t.Error(err)
	}
	n.count++
	n.mix(sealed)
	return plain
}

func expand(salt, secret []byte) []byte {
	keys, err := hkdf.Key(sha256.New, secret, salt, "", 64)
	if err != nil {
		panic(err)
	}
	return keys
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	sealed, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return sealed
}

func nonce(count uint32) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 8), count)
}
