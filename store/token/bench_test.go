package token

import (
	"crypto/rand"
	"crypto/sha256"
	"testing"
)

func BenchmarkPresented(b *testing.B) {
	formats := mustFormats(b, "acme", "old")
	for _, kind := range []Kind{Standard, Prefixed, Opaque} {
		text := benchText(b, kind)
		b.Run(kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			var t Token
			for b.Loop() {
				formats.Native(text, &t)
				ParseOpaque(text)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	formats := mustFormats(b, "acme", "old")
	for _, kind := range []Kind{Standard, Prefixed, Opaque} {
		text := benchText(b, kind)
		b.Run(kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = formats.Parse(text)
			}
		})
	}
}

func benchText(b *testing.B, kind Kind) string {
	b.Helper()
	v, _ := loadVectors(b)
	for _, tt := range v.Tokens {
		if tt.Kind == kind.String() {
			return tt.Text
		}
	}
	b.Fatalf("no %s token among the vectors", kind)
	return ""
}

func BenchmarkPepper(b *testing.B) {
	d := DigestOf([sha256.Size]byte{1})
	pepper := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		d = d.Pepper(pepper)
	}
}

func BenchmarkImported(b *testing.B) {
	v, _ := loadVectors(b)
	strapi := v.Imported[0]
	b.ReportAllocs()
	for b.Loop() {
		HMACSHA512.Digest(strapi.ID, strapi.Token, []byte(strapi.Salt)).Key()
	}
}

func BenchmarkGenerate(b *testing.B) {
	formats := mustFormats(b, "acme")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := formats.Generate(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
