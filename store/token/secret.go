package token

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unsafe"
)

// redacted stands wherever a secret would have been printed.
const redacted = "REDACTED"

// errSecret is what marshalling a secret returns: a secret that reaches an
// encoder is a programming error, and must not pass as an empty value.
var errSecret = errors.New("a secret cannot be marshalled")

// Secret is the part of a token that proves it. The function array makes == a
// compile error.
//
// It holds no byte of the secret, only where the token's text is and what the
// digest of the secret is: package fmt prints the unexported fields of a struct,
// and anything under %p, without asking Format.
type Secret struct {
	_ [0]func()

	text   *byte
	size   int
	digest Digest
}

func (s *Secret) set(text string, sum [sha256.Size]byte) {
	s.text, s.size = unsafe.StringData(text), len(text)
	s.digest.sum = sum
}

func (s Secret) reveal() string { return unsafe.String(s.text, s.size) }

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
