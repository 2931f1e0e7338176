// Package seal keeps the texts of tokens under authenticated encryption, for
// whoever has configured that they can be shown again.
//
// Invariants:
//
//  1. What Seal returns tells nothing of the token but its length to who has no
//     key (XChaCha20-Poly1305, with a random nonce of 24 bytes).
//  2. It can be opened for the credential that it was made for, and for no
//     other: the credential's key is authenticated with it.
//  3. No error shows a text or a key.
//
// The sealed form is the ID of the encryption key (4 bytes), the nonce (24), and
// the ciphertext with its tag.
package seal

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tokendrop/tokendrop/store/token"
)

// KeySize is the length of an encryption key in bytes.
const KeySize = chacha20poly1305.KeySize

// What Open may return.
var (
	// ErrNoKey: no key is configured.
	ErrNoKey = errors.New("no encryption key is configured")
	// ErrOtherKey: the text was sealed with a key that is not there.
	ErrOtherKey = errors.New("the text was encrypted with a key that is not configured")
	// ErrDamaged: the sealed form was changed, or is another credential's.
	ErrDamaged = errors.New("the encrypted text is damaged, or belongs to another token")
)

// keyLabel keeps the ID of a key apart from whatever else is hashed of it.
const keyLabel = "tokendrop encryption key\x00"

// keyID names an encryption key in what was sealed with it.
type keyID [4]byte

func keyIDOf(secret []byte) keyID {
	sum := sha256.Sum256(append([]byte(keyLabel), secret...))
	return keyID(sum[:])
}

// Keys are encryption keys: the first one seals, all of them open. The zero Keys
// seals nothing.
type Keys struct {
	random io.Reader // for nonces
	list   []key
}

type key struct {
	id   keyID
	aead cipher.AEAD
}

// NewKeys takes keys of KeySize bytes, and random for nonces, which is
// crypto/rand.Reader outside tests. Its errors show nothing of the keys.
func NewKeys(random io.Reader, secrets ...[]byte) (Keys, error) {
	k := Keys{random: random}
	for i, secret := range secrets {
		aead, err := chacha20poly1305.NewX(secret)
		if err != nil {
			return Keys{}, fmt.Errorf("the key at place %d has %d bytes: want %d", i+1, len(secret), KeySize)
		}
		one := key{keyIDOf(secret), aead}
		for j, other := range k.list {
			if other.id == one.id {
				return Keys{}, fmt.Errorf("the keys at places %d and %d are the same: leave one out", j+1, i+1)
			}
		}
		k.list = append(k.list, one)
	}
	return k, nil
}

// None tells whether there is no key.
func (k Keys) None() bool { return len(k.list) == 0 }

// Seal encrypts the text of a token. Without keys it returns nil. It fails only
// if there is no randomness.
func (k Keys) Seal(t token.Token) ([]byte, error) {
	if k.None() {
		return nil, nil
	}
	first := k.list[0]
	var nonce [chacha20poly1305.NonceSizeX]byte
	if _, err := io.ReadFull(k.random, nonce[:]); err != nil {
		return nil, fmt.Errorf("encrypting a token: %w", err)
	}
	sealed := append(first.id[:len(first.id):len(first.id)], nonce[:]...)
	return first.aead.Seal(sealed, nonce[:], []byte(t.Reveal()), t.Key[:]), nil
}

// Open decrypts the text of the credential with that key.
func (k Keys) Open(credential token.Key, sealed []byte) (string, error) {
	if k.None() {
		return "", ErrNoKey
	}
	var id keyID
	var nonce [chacha20poly1305.NonceSizeX]byte
	if len(sealed) < len(id)+len(nonce) {
		return "", ErrDamaged
	}
	rest := sealed[copy(id[:], sealed):]
	rest = rest[copy(nonce[:], rest):]
	for _, one := range k.list {
		if one.id != id {
			continue
		}
		text, err := one.aead.Open(nil, nonce[:], rest, credential[:])
		if err != nil {
			return "", ErrDamaged
		}
		return string(text), nil
	}
	return "", fmt.Errorf("%w, with the ID %s", ErrOtherKey, hex.EncodeToString(id[:]))
}
