package token

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add(jahiaToken)
	f.Add(jahiaToken[:42] + "Z=")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := Parse(text)
		if err == nil && (tok.Reveal() != text || respelled(Formats{}, tok) != text) {
			t.Errorf("%q has a second spelling", text)
		}
	})
}

// Invariant 1 for every format, and that what is presented is read as what is
// stated was.
func FuzzFormats(f *testing.F) {
	v, formats := loadVectors(f)
	for _, tt := range v.Tokens {
		f.Add(tt.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := formats.Parse(text)
		var known Token
		ok := formats.Native(text, &known)
		opaque, okOpaque := ParseOpaque(text)
		if err != nil {
			if refusal(err) == err.Error() {
				t.Errorf("%q is refused with an error of no kind: %v", text, err)
			}
			if ok || (okOpaque && refusal(err) == "malformed") {
				t.Errorf("%q is refused when stated and known when presented", text)
			}
			return
		}
		if tok.Reveal() != text || respelled(formats, tok) != text {
			t.Errorf("%q has a second spelling", text)
		}
		presented, found := known, ok
		if tok.Kind() == Opaque {
			presented, found = opaque, okOpaque && !ok
		}
		if !found || presented.Kind() != tok.Kind() || presented.Key != tok.Key || !tok.Digest().Equal(presented.Digest()) {
			t.Errorf("%q is read differently when presented", text)
		}
	})
}

// Every 32 bytes with a key of version 4 are a token under every prefix, and
// its digits are those of math/big.
func FuzzPrefixed(f *testing.F) {
	f.Add("acme", []byte(strings.Repeat("\x00", rawSize)))
	f.Add("acme_pat", []byte(strings.Repeat("\xff", rawSize)))
	f.Add("a_", []byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, prefix string, data []byte) {
		var raw [rawSize]byte
		copy(raw[:], data)
		checkDigitsOf(t, raw)
		formats, err := NewFormats(prefix)
		if err != nil || prefix == "" {
			return
		}
		raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
		text := encodePrefixed(prefix, raw)
		tok, err := formats.Parse(text)
		if err != nil || tok.Kind() != Prefixed || tok.Key != Key(raw[:keySize]) || respelled(formats, tok) != text {
			t.Errorf("%q, made of %x, is %v, %v", text, raw, tok, err)
		}
	})
}

func FuzzParseImported(f *testing.F) {
	v, _ := loadVectors(f)
	for _, tt := range v.Imported {
		f.Add(tt.Digest)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseImported(text)
		if err == nil && d.String() != text {
			t.Errorf("%q has a second spelling", text)
		}
	})
}
