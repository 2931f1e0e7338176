package token

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

//go:embed testdata/vectors.json
var vectorsFile []byte

// vectors is testdata/vectors.json, which says what its parts mean. It was not
// made with this package.
type vectors struct {
	Prefix   string   `json:"prefix"`
	Former   []string `json:"former_prefixes"`
	Tokens   []tokenVector
	Digests  []struct{ Name, Text, Bytes, Refused string }
	Peppers  []struct{ Name, Digest, Pepper, ID, Peppered string }
	Imported []struct{ Name, Digest, Scheme, ID, Salt, Token, Key, Refused string } `json:"imports"`
}

type tokenVector struct {
	Name, Text, Kind, Refused string
	reading
	Opaque *reading `json:"presented_opaque"`
}

type reading struct{ Key, Digest string }

func loadVectors(t testing.TB) (vectors, Formats) {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(vectorsFile, &v); err != nil {
		t.Fatal(err)
	}
	formats, err := NewFormats(v.Prefix, v.Former...)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Tokens) == 0 || len(v.Digests) == 0 || len(v.Peppers) == 0 || len(v.Imported) == 0 {
		t.Fatal("a part of the vectors is missing")
	}
	return v, formats
}

// refusal is the word that the vectors have for an error.
func refusal(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrBody):
		return "body"
	case errors.Is(err, ErrChecksum):
		return "checksum"
	case errors.Is(err, ErrMalformed):
		return "malformed"
	}
	return err.Error()
}

// Invariant 1, and what each text means.
func TestVectorsParse(t *testing.T) {
	v, formats := loadVectors(t)
	for _, tt := range v.Tokens {
		t.Run(tt.Name, func(t *testing.T) {
			tok, err := formats.Parse(tt.Text)
			if got := refusal(err); got != tt.Refused {
				t.Fatalf("refused as %q, want %q", got, tt.Refused)
			}
			if err != nil {
				return
			}
			if got := tok.Kind().String(); got != tt.Kind {
				t.Errorf("kind = %s, want %s", got, tt.Kind)
			}
			tt.check(t, tok)
			if tok.Reveal() != tt.Text || respelled(formats, tok) != tt.Text {
				t.Error("the token is spelled differently")
			}
		})
	}
}

func TestVectorsPresented(t *testing.T) {
	v, formats := loadVectors(t)
	for _, tt := range v.Tokens {
		t.Run(tt.Name, func(t *testing.T) {
			var native Token
			ok := formats.Native(tt.Text, &native)
			opaque, okOpaque := ParseOpaque(tt.Text)
			if want := tt.Kind == "standard" || tt.Kind == "prefixed"; ok != want {
				t.Errorf("standard or prefixed: %v, want %v", ok, want)
			} else if ok {
				tt.check(t, native)
			}
			if want := tt.Opaque != nil; okOpaque != want {
				t.Errorf("opaque: %v, want %v", okOpaque, want)
			} else if okOpaque {
				tt.Opaque.check(t, opaque)
			}
		})
	}
}

// respelled is how the token's format spells what is in its text.
func respelled(f Formats, tok Token) string {
	text := tok.Reveal()
	switch tok.Kind() {
	case Standard:
		raw, _ := decodeStandard(text)
		return encodeStandard(raw)
	case Prefixed:
		prefix, _ := f.prefixOf(text)
		raw, _ := decodePrefixed(prefix, text)
		return encodePrefixed(prefix, raw)
	}
	return text
}

func (r reading) check(t *testing.T, tok Token) {
	t.Helper()
	if got := tok.Key.String(); got != r.Key {
		t.Errorf("key = %s, want %s", got, r.Key)
	}
	if got := tok.Digest().String(); got != r.Digest {
		t.Errorf("digest = %s, want %s", got, r.Digest)
	}
	if tok.Kind() == Opaque && tok.Digest().OpaqueKey() != tok.Key {
		t.Error("the digest alone means another key")
	}
}

// Invariant 5.
func TestReadingDoesNotAllocate(t *testing.T) {
	v, formats := loadVectors(t)
	var tok Token
	for _, tt := range v.Tokens {
		for name, read := range map[string]func(){
			"Parse":       func() { _, _ = formats.Parse(tt.Text) },
			"Native":      func() { formats.Native(tt.Text, &tok) },
			"ParseOpaque": func() { ParseOpaque(tt.Text) },
		} {
			if n := testing.AllocsPerRun(10, read); n != 0 {
				t.Errorf("%s: %s allocates %v times", tt.Name, name, n)
			}
		}
	}
}

func TestVectorsDigest(t *testing.T) {
	v, _ := loadVectors(t)
	for _, tt := range v.Digests {
		d, err := ParseDigest(tt.Text)
		if refused := errors.Is(err, ErrBadDigest); refused != (tt.Refused != "") {
			t.Errorf("%s: %v", tt.Name, err)
		}
		if sum := d.Bytes(); err == nil && hex.EncodeToString(sum[:]) != tt.Bytes {
			t.Errorf("%s: got %x, want %s", tt.Name, sum, tt.Bytes)
		}
	}
}

func TestVectorsPepper(t *testing.T) {
	v, _ := loadVectors(t)
	for _, tt := range v.Peppers {
		d, err := ParseDigest(tt.Digest)
		if err != nil {
			t.Fatalf("%s: %v", tt.Name, err)
		}
		pepper := fromHex(t, tt.Pepper)
		if sum := d.Pepper(pepper).Bytes(); hex.EncodeToString(sum[:]) != tt.Peppered {
			t.Errorf("%s: got %x, want %s", tt.Name, sum, tt.Peppered)
		}
		if n := testing.AllocsPerRun(10, func() { d.Pepper(pepper) }); n != 0 {
			t.Errorf("%s: Pepper allocates %v times", tt.Name, n)
		}
	}
}

func TestVectorsImported(t *testing.T) {
	v, _ := loadVectors(t)
	for _, tt := range v.Imported {
		t.Run(tt.Name, func(t *testing.T) {
			d, err := ParseImported(tt.Digest)
			if tt.Refused != "" {
				if !errors.Is(err, ErrBadImport) {
					t.Errorf("not refused: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Scheme.String() != tt.Scheme || d.ID != tt.ID || d.Key().String() != tt.Key || d.String() != tt.Digest {
				t.Errorf("got %s of import %s, key %s, want %s of %s, %s", d.Scheme, d.ID, d.Key(), tt.Scheme, tt.ID, tt.Key)
			}
			salt := fromHex(t, tt.Salt)
			if d.Equal(d.Scheme.Digest(d.ID, tt.Token+"0", salt)) || d.Equal(d.Scheme.Digest(d.ID, tt.Token, append(salt, 1))) {
				t.Error("the digest is that of another token, or under another salt")
			}
			if made := d.Scheme.Digest(d.ID, tt.Token, salt); !made.Equal(d) || made.Key() != d.Key() {
				t.Error("the digest made of the token is another one")
			}
		})
	}
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
