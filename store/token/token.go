// Package token holds all of the token format: the grammar of a token's text,
// the public key in it, its secret, and the digest that is stored in place of
// the secret. It uses the standard library only, so that another program can
// take it as it is.
//
// Invariants:
//
//  1. Each value has one spelling: Parse accepts a text only if it is what
//     Text would print for the result.
//  2. A Secret cannot be printed, marshalled or compared with ==; the only way
//     out is Reveal, which a reader of the code can search for.
//  3. Digests are compared in constant time, and only so.
//  4. The key is public. Nothing about a secret follows from it.
//
// Formats (SPEC section 5). Standard is 44 characters of standard base64 of 32
// bytes, a UUID of version 4 (the key) and 16 random bytes (the secret).
// Prefixed and opaque tokens join here as further cases of Parse: everything
// above this package knows a Token only as a key and a secret.
package token

import (
	"encoding/base64"
	"errors"
	"io"
)

// Sizes of the standard format.
const (
	keySize    = 16
	secretSize = 16
	rawSize    = keySize + secretSize

	// TextSize is the length in characters of a standard token's text.
	TextSize = 44
)

// ErrMalformed says that a text is no token in any known format. It carries
// nothing of the text, which may be a secret with a typing error.
var ErrMalformed = errors.New("malformed token: want 44 characters of standard base64 as printed by \"tokendrop token new\"")

// strict refuses base64 whose unused trailing bits are not zero, which would
// be a second spelling of the same bytes.
var strict = base64.StdEncoding.Strict()

// Token is a credential in full: the public key and the secret that goes
// with it.
type Token struct {
	Key    Key
	Secret Secret
}

// Parse reads the text of a token. It returns ErrMalformed for anything that
// is not the one spelling of a token. It does not allocate.
func Parse(text string) (Token, error) {
	if len(text) != TextSize {
		return Token{}, ErrMalformed
	}
	var src [TextSize]byte
	copy(src[:], text)
	var raw [rawSize + 1]byte // 44 characters may decode to 33 bytes
	n, err := strict.Decode(raw[:], src[:])
	if err != nil || n != rawSize {
		return Token{}, ErrMalformed
	}
	t := Token{Key: Key(raw[:keySize])}
	if !t.Key.IsVersion4() {
		return Token{}, ErrMalformed
	}
	copy(t.Secret.raw[:], raw[keySize:rawSize])
	return t, nil
}

// Generate makes a new standard token from 32 bytes of random, which is
// crypto/rand.Reader outside tests. It fails only if random does.
func Generate(random io.Reader) (Token, error) {
	key, err := NewKey(random)
	if err != nil {
		return Token{}, err
	}
	return GenerateFor(key, random)
}

// GenerateFor makes a new secret for an existing key, as a regeneration does.
func GenerateFor(key Key, random io.Reader) (Token, error) {
	t := Token{Key: key}
	if _, err := io.ReadFull(random, t.Secret.raw[:]); err != nil {
		return Token{}, err
	}
	return t, nil
}

// Reveal returns the text of the token, secret included. Callers hand it to
// the one who asked for the token and to nobody else.
func (t Token) Reveal() string {
	var raw [rawSize]byte
	copy(raw[:keySize], t.Key[:])
	copy(raw[keySize:], t.Secret.raw[:])
	return strict.EncodeToString(raw[:])
}

// Digest is what a store keeps of the token.
func (t Token) Digest() Digest { return t.Secret.digest() }
