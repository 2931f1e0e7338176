package token

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxPrefix is the length in characters of the longest prefix.
const maxPrefix = 32

// Formats are the formats of one configuration: it decides which prefixes mean
// a token of its own, and in which form new tokens are made. The zero Formats
// has no prefixes.
type Formats struct {
	own   string   // of new tokens; empty: these are standard
	known []string // own and former ones, the longest first
}

// NewFormats takes the prefix of new tokens, empty for standard ones, and
// those that tokens once had and are still known by. A prefix is 1 to 32 of
// a-z, 0-9 and _, with no _ at either end: one joins it to the digits. Its
// error repeats no prefix: what was put in the place of one may be a token.
func NewFormats(prefix string, former ...string) (Formats, error) {
	f := Formats{own: prefix, known: slices.Clone(former)}
	if prefix != "" {
		f.known = append(f.known, prefix)
	}
	for _, p := range f.known {
		if err := checkPrefix(p); err != nil {
			return Formats{}, err
		}
	}
	slices.SortFunc(f.known, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return f, nil
}

func checkPrefix(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("a prefix is empty: want 1 to %d characters", maxPrefix)
	case len(p) > maxPrefix:
		return fmt.Errorf("a prefix has %d characters: want at most %d", len(p), maxPrefix)
	case !consistsOf(p, "abcdefghijklmnopqrstuvwxyz0123456789_"):
		return errors.New("a prefix has other characters: want only a-z, 0-9 and _")
	case strings.HasPrefix(p, joint), strings.HasSuffix(p, joint):
		return errors.New("a prefix begins or ends in _: want no _ at its ends, one is put between it and the rest of a token")
	}
	return nil
}

func consistsOf(text, characters string) bool { return strings.Trim(text, characters) == "" }

// Parse reads a token that is stated, as in a manifest. What has a known prefix
// is a prefixed token or an error, ErrChecksum or ErrBody, and never opaque: a
// mistyped token is not to be imported as one that nobody has. Any other error
// is an ErrMalformed.
func (f Formats) Parse(text string) (Token, error) {
	if t, err := Parse(text); err == nil {
		return t, nil
	}
	if prefix, found := f.prefixOf(text); found {
		return parsePrefixed(prefix, text)
	}
	if t, ok := ParseOpaque(text); ok {
		return t, nil
	}
	return Token{}, errOpaque
}

// Native reads a token that is presented as a standard or prefixed one, into t,
// where it stays as it is if there is none. What it finds, and what it does not,
// may yet be in the store as an opaque one: the text may have been imported before
// its prefix was configured.
func (f Formats) Native(text string, t *Token) bool {
	if raw, ok := decodeStandard(text); ok {
		return t.set(Standard, &raw, text)
	}
	prefix, found := f.prefixOf(text)
	if !found {
		return false
	}
	raw, err := decodePrefixed(prefix, text)
	return err == nil && t.set(Prefixed, &raw, text)
}

// ReplacePrefixed puts with in the place of every token in a text that has a
// known prefix, as a scanner for leaked secrets finds them.
func (f Formats) ReplacePrefixed(text, with string) string {
	for _, p := range f.known {
		text = replacePrefixed(p, text, with)
	}
	return text
}

func replacePrefixed(prefix, text, with string) string {
	var b strings.Builder
	done := 0
	for at := 0; ; {
		i := strings.Index(text[at:], prefix+joint)
		if i < 0 {
			break
		}
		from := at + i
		to := from + len(prefix) + len(joint) + prefixedTail
		if to > len(text) {
			break
		}
		if _, err := parsePrefixed(prefix, text[from:to]); err != nil {
			at = from + 1
			continue
		}
		b.WriteString(text[done:from])
		b.WriteString(with)
		at, done = to, to
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// Generate makes a new token in the configured form from 32 bytes of random,
// which is crypto/rand.Reader outside tests. It fails only if random does.
func (f Formats) Generate(random io.Reader) (Token, error) {
	key, err := NewKey(random)
	if err != nil {
		return Token{}, err
	}
	return f.GenerateFor(key, random)
}

// GenerateFor makes a new secret for an existing key, as a regeneration does,
// in the configured form. A key that this form cannot spell, because it was cut
// from a hash, gives way to a new one.
func (f Formats) GenerateFor(key Key, random io.Reader) (Token, error) {
	if !key.IsVersion4() {
		return f.Generate(random)
	}
	var raw [rawSize]byte
	copy(raw[:], key[:])
	if _, err := io.ReadFull(random, raw[keySize:]); err != nil {
		return Token{}, err
	}
	var t Token
	if f.own == "" {
		t.set(Standard, &raw, encodeStandard(raw))
	} else {
		t.set(Prefixed, &raw, encodePrefixed(f.own, raw))
	}
	return t, nil
}

// prefixOf finds the longest known prefix that text has. A shorter one need not
// be tried: no text is a token under both, because digits have no _.
func (f Formats) prefixOf(text string) (string, bool) {
	for _, p := range f.known {
		if rest, ok := strings.CutPrefix(text, p); ok && strings.HasPrefix(rest, joint) {
			return p, true
		}
	}
	return "", false
}
