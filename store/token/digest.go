package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// digestScheme opens the text of a digest.
const digestScheme = "sha256:"

// ErrBadDigest says that a text is no digest.
var ErrBadDigest = errors.New("malformed digest: want sha256: and 44 characters of base64 or 64 of lower-case hex, as printed by \"tokendrop token key --manifest\"")

// Digest is SHA-256 of a secret. It is kept in the store and may stand in a
// manifest, so it can be written; it is compared by Equal only.
type Digest struct {
	_   [0]func() // at the end it would take eight bytes
	sum [sha256.Size]byte
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
	switch len(enc) {
	case base64.StdEncoding.EncodedLen(sha256.Size):
		sum, _ = strict.DecodeString(enc)
	case hex.EncodedLen(sha256.Size):
		sum, _ = decodeHex(enc)
	}
	if len(sum) != sha256.Size {
		return Digest{}, ErrBadDigest
	}
	return DigestOf([sha256.Size]byte(sum)), nil
}

// Bytes returns the 32 bytes for a store to keep.
func (d Digest) Bytes() [sha256.Size]byte { return d.sum }

// String writes the digest as a manifest states it, in base64.
func (d Digest) String() string { return digestScheme + base64.StdEncoding.EncodeToString(d.sum[:]) }

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool {
	return subtle.ConstantTimeCompare(d.sum[:], other.sum[:]) == 1
}

// Pepper is HMAC-SHA-256 of the digest under a pepper. It is kept in the
// digest's place where peppers are configured, so that whoever has the store
// but not the pepper cannot tell whether a token is the one digested.
//
// It is written out (RFC 2104, section 2) because verify calls it for each
// request, and crypto/hmac allocates.
func (d Digest) Pepper(pepper []byte) Digest {
	if len(pepper) > sha256.BlockSize {
		sum := sha256.Sum256(pepper)
		pepper = sum[:]
	}
	var inner, outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], pepper)
	copy(outer[:], pepper)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	copy(inner[sha256.BlockSize:], d.sum[:])
	sum := sha256.Sum256(inner[:])
	copy(outer[sha256.BlockSize:], sum[:])
	return DigestOf(sha256.Sum256(outer[:]))
}

// decodeHex reads hex in its one spelling, which is lower case.
func decodeHex(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "ABCDEF") {
		return nil, false
	}
	b, err := hex.DecodeString(text)
	return b, err == nil
}
