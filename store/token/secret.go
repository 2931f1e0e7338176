package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// redacted stands wherever a secret would have been printed.
const redacted = "REDACTED"

// errSecret is what marshalling a secret returns: a secret that reaches an
// encoder is a programming error, and must not pass as an empty value.
var errSecret = errors.New("a secret cannot be marshalled")

// Secret is the part of a token that proves it. The function array makes ==
// a compile error.
type Secret struct {
	raw [secretSize]byte
	_   [0]func()
}

func (s Secret) digest() Digest { return Digest{sum: sha256.Sum256(s.raw[:])} }

// String does not print the secret.
func (Secret) String() string { return redacted }

// GoString does not print the secret.
func (Secret) GoString() string { return redacted }

// Format does not print the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText refuses.
func (Secret) MarshalText() ([]byte, error) { return nil, errSecret }

// MarshalBinary refuses.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errSecret }

// digestScheme opens the text of a digest.
const digestScheme = "sha256:"

// ErrBadDigest says that a text is no digest.
var ErrBadDigest = errors.New("malformed digest: want sha256: and 44 characters of base64 or 64 of lower-case hex, as printed by \"tokendrop token key --manifest\"")

// Digest is SHA-256 of a secret. It is kept in the store and may stand in a
// manifest, so it can be written; it is compared by Equal only.
type Digest struct {
	sum [sha256.Size]byte
	_   [0]func()
}

// DigestOf takes the 32 bytes of a stored digest.
func DigestOf(sum [sha256.Size]byte) Digest { return Digest{sum: sum} }

// ParseDigest reads "sha256:" followed by standard base64 or lower-case hex.
func ParseDigest(text string) (Digest, error) {
	enc, ok := strings.CutPrefix(text, digestScheme)
	if !ok {
		return Digest{}, ErrBadDigest
	}
	var sum []byte
	var err error
	switch len(enc) {
	case base64.StdEncoding.EncodedLen(sha256.Size):
		sum, err = strict.DecodeString(enc)
	case hex.EncodedLen(sha256.Size):
		if strings.ToLower(enc) != enc {
			return Digest{}, ErrBadDigest
		}
		sum, err = hex.DecodeString(enc)
	}
	if err != nil || len(sum) != sha256.Size {
		return Digest{}, ErrBadDigest
	}
	return Digest{sum: [sha256.Size]byte(sum)}, nil
}

// Bytes returns the 32 bytes for a store to keep.
func (d Digest) Bytes() [sha256.Size]byte { return d.sum }

// String writes the digest as a manifest states it, in base64.
func (d Digest) String() string { return digestScheme + base64.StdEncoding.EncodeToString(d.sum[:]) }

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool {
	return subtle.ConstantTimeCompare(d.sum[:], other.sum[:]) == 1
}

// Matches tells in constant time whether secret is the one digested.
func (d Digest) Matches(secret Secret) bool { return d.Equal(secret.digest()) }
