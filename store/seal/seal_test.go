package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

var (
	secretA = bytes.Repeat([]byte{0xa}, KeySize)
	secretB = bytes.Repeat([]byte{0xb}, KeySize)
)

func keys(t testing.TB, secrets ...[]byte) Keys {
	t.Helper()
	k, err := NewKeys(rand.Reader, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newToken(t testing.TB) token.Token {
	t.Helper()
	tok, err := token.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func sealed(t testing.TB, k Keys, tok token.Token) []byte {
	t.Helper()
	b, err := k.Seal(tok)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	a, both, tok := keys(t, secretA), keys(t, secretB, secretA), newToken(t)
	for name, tt := range map[string]struct {
		seals, opens Keys
		want         error
	}{
		"same key":         {a, a, nil},
		"key came before":  {a, both, nil},
		"first key":        {both, keys(t, secretB), nil},
		"key is gone":      {both, a, ErrOtherKey},
		"no key is left":   {a, Keys{}, ErrNoKey},
		"nothing was kept": {Keys{}, a, ErrDamaged},
	} {
		text, err := tt.opens.Open(tok.Key, sealed(t, tt.seals, tok))
		if !errors.Is(err, tt.want) || err == nil && text != tok.Reveal() {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// Invariant 2.
func TestOfAnotherToken(t *testing.T) {
	k, one, other := keys(t, secretA), newToken(t), newToken(t)
	if text, err := k.Open(other.Key, sealed(t, k, one)); !errors.Is(err, ErrDamaged) || text != "" {
		t.Errorf("a text was opened for another token: %v", err)
	}
}

func TestChangedByte(t *testing.T) {
	k, tok := keys(t, secretA), newToken(t)
	whole := sealed(t, k, tok)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if _, err := k.Open(tok.Key, changed); err == nil {
			t.Errorf("byte %d is changed, and the text is opened", i)
		}
		if _, err := k.Open(tok.Key, whole[:i]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at byte %d: %v", i, err)
		}
	}
}

// Invariant 1: not the same twice, and nothing of the token in it.
func TestShowsNothing(t *testing.T) {
	k, tok := keys(t, secretA), newToken(t)
	one, other := sealed(t, k, tok), sealed(t, k, tok)
	if bytes.Equal(one, other) {
		t.Error("a token is sealed alike twice")
	}
	for i := range len(tok.Reveal()) - 4 {
		if bytes.Contains(one, []byte(tok.Reveal()[i:i+4])) {
			t.Error("the text is in the sealed form")
		}
	}
	k.random = io.LimitReader(rand.Reader, 23)
	if _, err := k.Seal(tok); err == nil {
		t.Error("a nonce was made of too little randomness")
	}
}

func TestNewKeysRefuses(t *testing.T) {
	for name, secrets := range map[string][][]byte{
		"short": {secretA, []byte("short")}, "long": {append(secretA[:KeySize:KeySize], 1)}, "empty": {nil}, "twice": {secretA, secretB, secretA},
	} {
		if _, err := NewKeys(rand.Reader, secrets...); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
