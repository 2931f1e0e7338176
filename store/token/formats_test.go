package token

import (
	"crypto/rand"
	"io"
	"math/big"
	"strings"
	"testing"
)

func mustFormats(t testing.TB, prefix string, former ...string) Formats {
	t.Helper()
	f, err := NewFormats(prefix, former...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPrefixes(t *testing.T) {
	long := strings.Repeat("a", maxPrefix)
	for _, p := range []string{"a", "0", "acme", "acme_pat", "a__b", "2fa", long} {
		if _, err := NewFormats(p); err != nil {
			t.Errorf("%q as a prefix: %v", p, err)
		}
		if _, err := NewFormats("", p); err != nil {
			t.Errorf("%q as a former prefix: %v", p, err)
		}
	}
	for p, want := range map[string]string{
		"acme_":    "want no _ at its ends",
		"_acme":    "want no _ at its ends",
		"_":        "want no _ at its ends",
		"Acme":     "want only a-z, 0-9 and _",
		"a-b":      "want only a-z, 0-9 and _",
		"a b":      "want only a-z, 0-9 and _",
		"acmé":     "want only a-z, 0-9 and _",
		"a\n":      "want only a-z, 0-9 and _",
		long + "a": "has 33 characters: want at most 32",
	} {
		for _, all := range [][]string{{p}, {"", p}, {"fine", "too", p}} {
			if _, err := NewFormats(all[0], all[1:]...); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q among %q: %v", p, all, err)
			}
		}
	}
	if _, err := NewFormats("acme", ""); err == nil {
		t.Error("an empty former prefix was accepted")
	}
}

// The prefix of new tokens is the configured one, and that of others stays.
func TestGenerateInConfiguredForm(t *testing.T) {
	old, now := mustFormats(t, "old"), mustFormats(t, "acme", "old")
	first, err := old.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	known, err := now.Parse(first.Reveal())
	if err != nil || known.Key != first.Key || known.Reveal() != first.Reveal() {
		t.Fatalf("a token of a former prefix: %v, %v", known, err)
	}
	renewed, err := now.GenerateFor(known.Key, rand.Reader)
	if err != nil || renewed.Key != first.Key || !strings.HasPrefix(renewed.Reveal(), "acme_") {
		t.Errorf("regenerated as %v, %v", renewed, err)
	}
	if renewed.Digest().Equal(first.Digest()) {
		t.Error("a regenerated token must change its secret")
	}
	back, err := mustFormats(t, "", "acme").GenerateFor(renewed.Key, rand.Reader)
	if err != nil || back.Key != first.Key || back.Kind() != Standard {
		t.Errorf("without a prefix: %v, %v", back, err)
	}
}

// A key that was cut from a hash cannot be spelled, so that its token could
// never be presented.
func TestGenerateForKeyOfOpaqueToken(t *testing.T) {
	for _, f := range []Formats{{}, mustFormats(t, "acme")} {
		for _, key := range []Key{{}, {6: 0x10, 8: 0x80}, {6: 0x40, 8: 0xc0}} {
			tok, err := f.GenerateFor(key, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			again, err := f.Parse(tok.Reveal())
			if err != nil || again.Kind() == Opaque || again.Key != tok.Key || tok.Key == key {
				t.Errorf("for key %s: %v, %v", key, again, err)
			}
		}
	}
}

func TestGenerateFailsWithItsRandom(t *testing.T) {
	for _, n := range []int64{0, keySize - 1, keySize, rawSize - 1} {
		if _, err := mustFormats(t, "acme").Generate(io.LimitReader(rand.Reader, n)); err == nil {
			t.Errorf("a token was made of %d random bytes", n)
		}
	}
}

// A wrong character anywhere in a prefixed token is an error and no other
// token (invariant 1).
func TestEveryMistypedCharacterIsRefused(t *testing.T) {
	v, formats := loadVectors(t)
	for _, tt := range v.Tokens {
		if tt.Kind != "prefixed" {
			continue
		}
		prefix, _ := formats.prefixOf(tt.Text)
		for i := len(prefix) + len(joint); i < len(tt.Text); i++ {
			for c := range 256 {
				text := tt.Text[:i] + string([]byte{byte(c)}) + tt.Text[i+1:]
				if _, err := formats.Parse(text); err == nil && text != tt.Text {
					t.Fatalf("%q is a token, too", text)
				}
			}
		}
	}
}

// The digits agree with those of math/big, whose alphabet has the lower case
// first.
func TestDigitsAgreeWithBig(t *testing.T) {
	for range 1000 {
		var raw [rawSize]byte
		if _, err := rand.Read(raw[:]); err != nil {
			t.Fatal(err)
		}
		checkDigitsOf(t, raw)
	}
	checkDigitsOf(t, [rawSize]byte{})
	checkDigitsOf(t, [rawSize]byte([]byte(strings.Repeat("\xff", rawSize))))
}

func checkDigitsOf(t *testing.T, raw [rawSize]byte) {
	t.Helper()
	digits := encodeBody(raw)
	if want := bigDigits(new(big.Int).SetBytes(raw[:])); digits != want {
		t.Fatalf("%x = %s, want %s", raw, digits, want)
	}
	if again, fits := decodeBody(digits); !fits || again != raw {
		t.Fatalf("%s = %x, want %x", digits, again, raw)
	}
}

func bigDigits(n *big.Int) string {
	swapped := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, n.Text(62))
	return strings.Repeat("0", bodyDigits-len(swapped)) + swapped
}

// The first number that does not fit, and all the others that 43 digits hold.
func TestDigitsOverflow(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 8*rawSize)
	for _, beyond := range []int64{0, 1, 1 << 62} {
		digits := bigDigits(new(big.Int).Add(limit, big.NewInt(beyond)))
		if _, fits := decodeBody(digits); fits {
			t.Errorf("%s fits", digits)
		}
	}
	if _, fits := decodeBody(strings.Repeat("z", bodyDigits)); fits {
		t.Error("the highest digits fit")
	}
}

func TestReplacePrefixed(t *testing.T) {
	acme, other := mustFormats(t, "acme"), mustFormats(t, "acme_test")
	both := mustFormats(t, "acme", "acme_test")
	generate := func(f Formats) string {
		tok, err := f.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return tok.Reveal()
	}
	a, b := generate(acme), generate(other)
	wrong := a[:len(a)-1] + string(alphabet[(strings.IndexByte(alphabet, a[len(a)-1])+1)%len(alphabet)])
	for _, tt := range []struct {
		formats    Formats
		text, want string
	}{
		{both, a, "X"},
		{both, "# " + a + "," + b + a + ".", "# X,XX."},
		{both, "acme_" + a + "acme_", "acme_Xacme_"},
		{both, a + "9", "X9"},
		{both, wrong + a, wrong + "X"},
		{both, a[:len(a)-1], a[:len(a)-1]},
		{acme, a + b, "X" + b},
		{Formats{}, a, a},
		{both, "", ""},
	} {
		if got := tt.formats.ReplacePrefixed(tt.text, "X"); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}
