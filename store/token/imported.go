package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// ErrBadImport says that a text is no digest of another product.
var ErrBadImport = errors.New("malformed digest: want hmac-sha512:ID: and 128 characters of lower-case hex, or hmac-sha256:ID: and 64, with the ID of a [tokens.import.ID]")

// Scheme is how another product made its digests: HMAC of a token's whole text
// under a salt.
type Scheme uint8

// The schemes. The zero Scheme is none. Strapi's is HMACSHA512: its API_TOKEN_SALT
// is the key, and access_key in its table strapi_api_tokens is the digest in
// hex (hash, in packages/core/admin/server/src/services/api-token.ts).
const (
	HMACSHA512 Scheme = iota + 1
	HMACSHA256
)

var schemes = [...]struct {
	name string
	hash func() hash.Hash
	size int
}{
	HMACSHA512: {"hmac-sha512", sha512.New, sha512.Size},
	HMACSHA256: {"hmac-sha256", sha256.New, sha256.Size},
}

// String is the scheme's name in manifests.
func (s Scheme) String() string { return schemes[s].name }

// Digest is the digest that the scheme makes of a token's text under the salt
// of the import id.
func (s Scheme) Digest(id, text string, salt []byte) ImportedDigest {
	mac := hmac.New(schemes[s].hash, salt)
	mac.Write([]byte(text))
	return ImportedDigest{Scheme: s, ID: id, sum: mac.Sum(nil)}
}

// ImportedDigest is a digest that another product kept of a token. It can be
// written, and is compared by Equal only.
type ImportedDigest struct {
	Scheme Scheme
	ID     string // of the import, whose configuration knows the salt
	sum    []byte // a slice, so that == is a compile error
}

// ParseImported reads "hmac-sha512:ID:HEX" or "hmac-sha256:ID:HEX". An ID is 1
// to 64 of A-Z, a-z, 0-9, _ and -, as the bare keys of TOML are.
func ParseImported(text string) (ImportedDigest, error) {
	name, rest, _ := strings.Cut(text, ":")
	id, enc, _ := strings.Cut(rest, ":")
	scheme := schemeOf(name)
	if scheme == 0 || !IsImportID(id) || len(enc) != hex.EncodedLen(schemes[scheme].size) {
		return ImportedDigest{}, ErrBadImport
	}
	sum, ok := decodeHex(enc)
	if !ok {
		return ImportedDigest{}, ErrBadImport
	}
	return ImportedDigest{Scheme: scheme, ID: id, sum: sum}, nil
}

// Key is the key of the record until it becomes native: the first 16 bytes of
// SHA-256 of the HMAC's bytes.
func (d ImportedDigest) Key() Key {
	sum := sha256.Sum256(d.sum)
	return Key(sum[:keySize])
}

// Equal compares the digests in constant time.
func (d ImportedDigest) Equal(other ImportedDigest) bool {
	return d.Scheme == other.Scheme && d.ID == other.ID && hmac.Equal(d.sum, other.sum)
}

// String writes the digest as ParseImported reads it, which is also how a store
// may keep it.
func (d ImportedDigest) String() string { return fmt.Sprintf("%s:%s:%x", d.Scheme, d.ID, d.sum) }

func schemeOf(name string) Scheme {
	for s := HMACSHA512; int(s) < len(schemes); s++ {
		if schemes[s].name == name {
			return s
		}
	}
	return 0
}

// maxImportID is the length in characters of the longest ID.
const maxImportID = 64

// IsImportID tells whether a text can be the ID of an import.
func IsImportID(id string) bool {
	return id != "" && len(id) <= maxImportID && consistsOf(id, alphabet+"_-")
}
