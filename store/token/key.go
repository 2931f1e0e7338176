package token

import (
	"encoding/hex"
	"errors"
	"io"
)

// Key names a token in public: in lists, logs and manifests. It is written as
// a UUID in lower case (RFC 9562, section 4).
type Key [keySize]byte

// ErrBadKey says that a text is not the spelling of a key.
var ErrBadKey = errors.New("malformed key: want a UUID in lower case, like 9201cd9b-4e62-415e-b523-e198dd7e4756")

const uuidSize = 36

// ParseKey reads a key in its one spelling. Any 16 bytes may be a key, because
// the keys of imported tokens are cut from a hash.
func ParseKey(text string) (Key, error) {
	if len(text) != uuidSize || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return Key{}, ErrBadKey
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	for _, c := range []byte(digits) {
		if c >= 'A' && c <= 'F' {
			return Key{}, ErrBadKey
		}
	}
	var k Key
	if _, err := hex.Decode(k[:], []byte(digits)); err != nil {
		return Key{}, ErrBadKey
	}
	return k, nil
}

// NewKey makes a random UUID of version 4.
func NewKey(random io.Reader) (Key, error) {
	var k Key
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return Key{}, err
	}
	k[6] = k[6]&0x0f | 0x40
	k[8] = k[8]&0x3f | 0x80
	return k, nil
}

// IsVersion4 tells whether the key can belong to a token of the standard
// format, whose key is a random UUID (RFC 9562, section 5.4).
func (k Key) IsVersion4() bool { return k[6]&0xf0 == 0x40 && k[8]&0xc0 == 0x80 }

// IsZero tells the key that no token has.
func (k Key) IsZero() bool { return k == Key{} }

// String writes the key as a UUID.
func (k Key) String() string { return string(k.Append(make([]byte, 0, uuidSize))) }

// Append writes the key as a UUID behind a text.
func (k Key) Append(text []byte) []byte {
	text = append(hex.AppendEncode(text, k[0:4]), '-')
	text = append(hex.AppendEncode(text, k[4:6]), '-')
	text = append(hex.AppendEncode(text, k[6:8]), '-')
	text = append(hex.AppendEncode(text, k[8:10]), '-')
	return hex.AppendEncode(text, k[10:16])
}

// MarshalText writes the key as a UUID.
func (k Key) MarshalText() ([]byte, error) { return k.Append(nil), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Key) UnmarshalText(text []byte) error {
	parsed, err := ParseKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}
