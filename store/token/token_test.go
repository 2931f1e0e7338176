package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// The tokens here were made by a shipping product.
const (
	jahiaToken = "b765L5rYQO+vuQW+tWZZ4nYIp3/Qv2wk2Z27fNtmgOY="
	jahiaKey   = "6fbeb92f-9ad8-40ef-afb9-05beb56659e2"
	opaqueText = "not-a-token-of-ours/0123456789"
)

func TestParseKnownTokens(t *testing.T) {
	for _, tt := range []struct{ text, key, digest string }{
		{jahiaToken, jahiaKey, ""},
		{"kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk=", "9201cd9b-4e62-415e-b523-e198dd7e4756", "sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0="},
	} {
		tok, err := Parse(tt.text)
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		if got := tok.Key.String(); got != tt.key {
			t.Errorf("key = %s, want %s", got, tt.key)
		}
		if got := tok.Reveal(); got != tt.text {
			t.Errorf("Reveal does not return the text that was parsed")
		}
		if got := tok.Digest().String(); tt.digest != "" && got != tt.digest {
			t.Errorf("digest = %s, want %s", got, tt.digest)
		}
	}
}

func TestParseRefusesOtherSpellings(t *testing.T) {
	for name, text := range map[string]string{
		"empty":             "",
		"short":             jahiaToken[:43],
		"long":              jahiaToken + "=",
		"url alphabet":      strings.ReplaceAll(jahiaToken, "/", "_"),
		"unpadded":          jahiaToken[:43] + "A",
		"trailing bits":     jahiaToken[:42] + "Z=",
		"inner newline":     jahiaToken[:20] + "\n" + jahiaToken[21:],
		"newline for a pad": jahiaToken[:43] + "\n",
		"version 1":         base64.StdEncoding.EncodeToString(append([]byte{0, 1, 2, 3, 4, 5, 0x10, 7, 0x80}, make([]byte, 23)...)),
		"wrong variant":     base64.StdEncoding.EncodeToString(append([]byte{0, 1, 2, 3, 4, 5, 0x40, 7, 0xc0}, make([]byte, 23)...)),
		"space before":      " " + jahiaToken[:43],
	} {
		if _, err := Parse(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGenerateRoundTrip(t *testing.T) {
	tok, err := Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(tok.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if again.Key != tok.Key || !again.Digest().Equal(tok.Digest()) {
		t.Error("a generated token does not parse to itself")
	}
	renewed, err := Formats{}.GenerateFor(tok.Key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.Key != tok.Key || renewed.Digest().Equal(tok.Digest()) {
		t.Error("a regenerated token must keep its key and change its secret")
	}
}

func TestDigestSpellings(t *testing.T) {
	tok, _ := Parse(jahiaToken)
	d := tok.Digest()
	sum := d.Bytes()
	for _, text := range []string{d.String(), fmt.Sprintf("sha256:%x", sum)} {
		got, err := ParseDigest(text)
		if err != nil || !got.Equal(d) {
			t.Errorf("ParseDigest(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "sha256:", "sha512:" + d.String()[7:], d.String()[7:], fmt.Sprintf("sha256:%X", sum), d.String() + "="} {
		if _, err := ParseDigest(text); err == nil {
			t.Errorf("ParseDigest(%q): accepted", text)
		}
	}
}

// Invariant 2. Some ways of printing do not ask Format: they find no secret.
func TestSecretCannotBePrinted(t *testing.T) {
	standard, _ := Parse(jahiaToken)
	opaque, err := Formats{}.Parse(opaqueText)
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range []Token{standard, opaque} {
		type holder struct {
			t  Token
			p  *Token
			ss []Secret
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%p", "%T", "%08b"} {
			if out := fmt.Sprintf(verb, tok.Secret); verb != "%p" && verb != "%T" && out != redacted {
				t.Errorf("%s prints %s", verb, out)
			}
			for _, v := range []any{tok, &tok, holder{tok, &tok, []Secret{tok.Secret}}} {
				out := strings.ToLower(fmt.Sprintf(verb, v))
				for _, secret := range spellings(tok) {
					if strings.Contains(out, strings.ToLower(secret)) {
						t.Errorf("%s of %T prints the secret", verb, v)
					}
				}
			}
		}
	}
	for _, tok := range []Token{standard, opaque} {
		if _, err := json.Marshal(tok); err == nil {
			t.Error("a token was marshalled")
		}
		if err := gob.NewEncoder(io.Discard).Encode(tok); err == nil {
			t.Error("a token was encoded")
		}
	}
	if reflect.TypeFor[Token]().Comparable() || reflect.TypeFor[ImportedDigest]().Comparable() {
		t.Error("a secret or a digest can be compared with ==")
	}
}

// spellings are how a printed secret would look: in full, or the eight bytes
// from its fifth on.
func spellings(tok Token) []string {
	secret := []byte(tok.Reveal())
	if raw, ok := decodeStandard(tok.Reveal()); ok {
		secret = raw[keySize:]
	}
	part := secret[4:12]
	numbers := fmt.Sprint(part)
	return []string{string(part), fmt.Sprintf("%x", part), numbers[1 : len(numbers)-1], tok.Reveal()}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var tok Token
	if n := testing.AllocsPerRun(100, func() { tok, _ = Parse(jahiaToken) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
	d := tok.Digest()
	if n := testing.AllocsPerRun(100, func() { d.Equal(tok.Digest()) }); n != 0 {
		t.Errorf("Equal allocates %v times", n)
	}
}

func TestParseKey(t *testing.T) {
	k, err := ParseKey(jahiaKey)
	if err != nil || k.String() != jahiaKey {
		t.Fatalf("ParseKey = %v, %v", k, err)
	}
	for _, text := range []string{"", strings.ToUpper(jahiaKey), "{" + jahiaKey + "}", strings.ReplaceAll(jahiaKey, "-", ""), jahiaKey[:35] + "g"} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("ParseKey(%q): accepted", text)
		}
	}
}
