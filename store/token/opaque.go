package token

import "crypto/sha256"

// Lengths of opaque tokens in characters.
const (
	minOpaque = 20
	maxOpaque = 512
)

// ParseOpaque reads a text as an opaque token, whatever else it is.
func ParseOpaque(text string) (Token, bool) {
	if len(text) < minOpaque || len(text) > maxOpaque || !isPrintable(text) {
		return Token{}, false
	}
	var buf [maxOpaque]byte // converting text to bytes would allocate
	n := copy(buf[:], text)
	t := Token{kind: Opaque}
	t.Secret.set(text, sha256.Sum256(buf[:n]))
	t.Key = t.Digest().OpaqueKey()
	return t, true
}

// isPrintable tells whether text is ASCII without spaces and control
// characters.
func isPrintable(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// OpaqueKey is the key of the opaque token that has this digest, so that a
// manifest need not state it.
func (d Digest) OpaqueKey() Key { return Key(d.sum[:keySize]) }
