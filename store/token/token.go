// Package token holds all of the token formats: the grammar of a token's text,
// the public key in it, its secret, and the digest that is stored in place of
// the secret. It uses the standard library only, so that another program can
// take it as it is; testdata/vectors.json is for one that cannot.
//
// Invariants:
//
//  1. Each value has one spelling: a text is a token of a format only if it is
//     how that format spells the key and the secret in it.
//  2. A Secret cannot be printed, marshalled or compared with ==; the only way
//     out is Reveal, which a reader of the code can search for.
//  3. Digests are compared in constant time, and only so.
//  4. The key is public. Nothing about a secret follows from it, unless the
//     token is opaque: its key is half of its digest, so only random texts may
//     be imported.
//  5. Reading a token, under any format, allocates nothing.
//
// Formats (SPEC section 5):
//
//	standard   44 characters of standard base64 of 32 bytes: a UUID of version 4
//	           (the key) and 16 random bytes (the secret)
//	prefixed   PREFIX_, such 32 bytes in 43 digits of 0-9A-Za-z, and 6 digits of
//	           CRC-32 of all before, for scanners that look for leaked tokens
//	opaque     any other 20 to 512 printable ASCII characters; the whole text is
//	           the secret, and the key is cut from its digest
//
// Parse and Generate know the standard format only. Formats knows them all,
// with the prefixes of one configuration.
package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// Sizes of the 32 bytes that a standard or a prefixed token spells.
const (
	keySize = 16
	rawSize = 2 * keySize

	// TextSize is the length in characters of a standard token's text.
	TextSize = 44
)

// What the errors of Parse and Formats.Parse are. They carry nothing of the
// text, which may be a secret with a typing error.
var (
	// ErrMalformed: the text is no token.
	ErrMalformed = errors.New("malformed token")
	// ErrBody: what follows a known prefix is no token. It is an ErrMalformed.
	ErrBody = fmt.Errorf("%w: want, after its prefix and _, the 49 digits of 0-9A-Za-z that the token was made with", ErrMalformed)
	// ErrChecksum: what follows a known prefix does not agree with its checksum.
	ErrChecksum = errors.New("wrong checksum: the token was mistyped, or belongs to another prefix")

	errStandard = fmt.Errorf("%w: want 44 characters of standard base64 as printed by \"tokendrop token new\"", ErrMalformed)
	errOpaque   = fmt.Errorf("%w: want what \"tokendrop token new\" prints, or another product's token of 20 to 512 printable ASCII characters without spaces", ErrMalformed)
)

// strict refuses base64 whose unused trailing bits are not zero, which would
// be a second spelling of the same bytes.
var strict = base64.StdEncoding.Strict()

// Kind tells the formats apart.
type Kind uint8

// The formats.
const (
	Standard Kind = iota
	Prefixed
	Opaque
)

var kindNames = [...]string{Standard: "standard", Prefixed: "prefixed", Opaque: "opaque"}

// String is the format's name.
func (k Kind) String() string { return kindNames[k] }

// Token is a credential in full: the public key and the secret that goes
// with it. A token that was parsed refers to the parsed text.
type Token struct {
	Key    Key
	Secret Secret

	kind Kind
}

// Parse reads the text of a standard token. Its error is an ErrMalformed.
func Parse(text string) (Token, error) {
	var t Token
	if raw, ok := decodeStandard(text); !ok || !t.set(Standard, &raw, text) {
		return Token{}, errStandard
	}
	return t, nil
}

// Generate makes a new standard token from 32 bytes of random, which is
// crypto/rand.Reader outside tests. It fails only if random does.
func Generate(random io.Reader) (Token, error) { return Formats{}.Generate(random) }

// Kind is the token's format.
func (t Token) Kind() Kind { return t.kind }

// Reveal returns the text of the token, secret included. Callers hand it to the
// one who asked for the token and to nobody else.
func (t Token) Reveal() string { return t.Secret.reveal() }

// Digest is what a store keeps of the token.
func (t Token) Digest() Digest { return t.Secret.digest }

// set makes the token the standard or prefixed one whose text spells raw. There is
// none, and it stays as it is, if the key is no UUID of version 4.
func (t *Token) set(kind Kind, raw *[rawSize]byte, text string) bool {
	key := Key(raw[:keySize])
	if !key.IsVersion4() {
		return false
	}
	t.Key, t.kind = key, kind
	t.Secret.set(text, sha256.Sum256(raw[keySize:]))
	return true
}

func decodeStandard(text string) (raw [rawSize]byte, ok bool) {
	if len(text) != TextSize {
		return raw, false
	}
	var src [TextSize]byte
	copy(src[:], text)
	var dst [rawSize + 1]byte // 44 characters may decode to 33 bytes
	n, err := strict.Decode(dst[:], src[:])
	return [rawSize]byte(dst[:]), err == nil && n == rawSize
}

func encodeStandard(raw [rawSize]byte) string { return strict.EncodeToString(raw[:]) }
