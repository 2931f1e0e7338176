//go:build unix

package daemon

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	pepperText = "a pepper that is long enough"
	canary     = "CANARY" // never shown
)

// secretFile writes a file of the configuration.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPepperAndSaltFiles(t *testing.T) {
	plain := token.DigestOf([32]byte{1})
	imported := token.HMACSHA512.Digest("strapi", strings.Repeat("x", 40), []byte("salt \r"))
	want := plain.Pepper([]byte(pepperText))
	for _, end := range []string{"", "\n", "\r\n"} {
		k, err := readKeys(&config.Config{Tokens: config.Tokens{
			PepperFiles: []string{secretFile(t, pepperText+end)},
			Imports:     map[string]string{"strapi": secretFile(t, "salt \r\r"+"\n"), "other": secretFile(t, "salt"+end)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got, under := k.ring.Keep(plain); !got.Equal(want) || under != token.PepperIDOf([]byte(pepperText)) {
			t.Errorf("with %q at its end the pepper is another one", end)
		}
		found := false
		for _, d := range k.ring.Imported(strings.Repeat("x", 40)) {
			found = found || d.Equal(imported)
		}
		if !found || !k.seal.None() {
			t.Error("the salt is another one, or there is an encryption key")
		}
	}
}

// An encryption key may be in any of three spellings, and means the same.
func TestEncryptionKeyFiles(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb}, seal.KeySize)
	tok, err := token.Parse("kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk=")
	if err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	for name, text := range map[string]string{
		"raw": string(raw), "raw, ends in a line break": string(raw[:31]) + "\n",
		"hex": hex.EncodeToString(raw), "hex with a line break": hex.EncodeToString(raw) + "\n", "upper-case hex": strings.ToUpper(hex.EncodeToString(raw)),
		"base64": base64.StdEncoding.EncodeToString(raw), "base64 with a line break": base64.StdEncoding.EncodeToString(raw) + "\r\n",
	} {
		k, err := readKeys(&config.Config{Tokens: config.Tokens{EncryptionKeyFiles: []string{secretFile(t, text)}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sealed == nil {
			first, err := seal.NewKeys(bytes.NewReader(make([]byte, 24)), raw)
			if err == nil {
				sealed, err = first.Seal(tok)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if text, err := k.seal.Open(tok.Key, sealed); (err != nil || text != tok.Reveal()) && name != "raw, ends in a line break" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong with each file, by the key that names it, and nothing of what is
// in it.
func TestKeyFilesRefused(t *testing.T) {
	open := func(mode os.FileMode) string {
		path := secretFile(t, pepperText)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pepper, key := secretFile(t, pepperText), secretFile(t, strings.Repeat("0", 64))
	for name, tt := range map[string]struct {
		tokens config.Tokens
		want   string
	}{
		"absent":            {config.Tokens{PepperFiles: []string{"/nowhere/pepper"}}, "tokens.pepper_files: reading /nowhere/pepper: no such file or directory"},
		"directory":         {config.Tokens{PepperFiles: []string{"/"}}, "tokens.pepper_files: / is no regular file"},
		"fifo":              {config.Tokens{PepperFiles: []string{fifo}}, "is no regular file"},
		"others read":       {config.Tokens{PepperFiles: []string{open(0o604)}}, "is open to others: run chmod g-w,o= "},
		"others write":      {config.Tokens{EncryptionKeyFiles: []string{open(0o602)}}, "tokens.encryption_key_files: "},
		"group writes":      {config.Tokens{Imports: map[string]string{"x": open(0o620)}}, "tokens.import.x.salt_file: "},
		"empty":             {config.Tokens{PepperFiles: []string{secretFile(t, "\n")}}, "is empty: write a secret into it"},
		"empty salt":        {config.Tokens{Imports: map[string]string{"x": secretFile(t, "")}}, "is empty: write a secret into it"},
		"too large":         {config.Tokens{PepperFiles: []string{secretFile(t, strings.Repeat(canary, 20_000))}}, "is larger than 64 KiB"},
		"short pepper":      {config.Tokens{PepperFiles: []string{pepper, secretFile(t, canary+"\n")}}, "the pepper at place 2 has 6 bytes: want at least 16"},
		"pepper twice":      {config.Tokens{PepperFiles: []string{pepper, secretFile(t, pepperText+"\n")}}, "the peppers at places 1 and 2 are the same"},
		"key of other size": {config.Tokens{EncryptionKeyFiles: []string{secretFile(t, canary+strings.Repeat("0", 34))}}, "holds no key: want 32 bytes"},
		"key cut":           {config.Tokens{EncryptionKeyFiles: []string{secretFile(t, strings.Repeat("0", 62))}}, "holds no key: want 32 bytes"},
		"key twice":         {config.Tokens{EncryptionKeyFiles: []string{key, secretFile(t, strings.Repeat("0", 64)+"\n")}}, "the keys at places 1 and 2 are the same"},
	} {
		_, err := readKeys(&config.Config{File: "tokendrop.toml", Tokens: tt.tokens})
		if _, ok := errors.AsType[*config.Error](err); !ok {
			t.Errorf("%s: %v is no error of the configuration", name, err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "tokendrop.toml: tokens.") || !strings.Contains(text, tt.want) || strings.Contains(text, canary) || strings.Contains(text, "\n") {
			t.Errorf("%s: %s\nwant %s", name, text, tt.want)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o440, 0o640} {
		if _, err := readKeys(&config.Config{Tokens: config.Tokens{PepperFiles: []string{open(mode)}}}); err != nil {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

// A store is opened only by who knows the peppers and the salts that are needed.
func TestRecognizes(t *testing.T) {
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	plain := store.Credential{Key: token.Key{1}}
	peppered := store.Credential{Key: token.Key{2}, Pepper: token.PepperIDOf([]byte(pepperText))}
	inGrace := store.Credential{Key: token.Key{3}, Extra: &store.Extra{Imported: token.HMACSHA256.Digest("strapi", "x", []byte("salt"))}}
	native := store.Credential{Key: token.Key{4}, Extra: &store.Extra{Former: token.Key{5}}}
	b := store.Batch{Expect: map[store.Name]store.Revision{}, Entries: []store.Entry{{}}}
	for i, credentials := range [][]store.Credential{{plain}, {peppered, inGrace}, {native}} {
		name := store.Name{User: "u", Name: string(rune('a' + i))}
		b.Expect[name] = 0
		b.Put = append(b.Put, store.Record{Name: name, Credentials: credentials})
	}
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	ring := func(pepper, id string) keys {
		var k keys
		var peppers [][]byte
		if pepper != "" {
			peppers = append(peppers, []byte(pepper))
		}
		salts := map[string][]byte{}
		if id != "" {
			salts[id] = []byte("salt")
		}
		if k.ring, err = token.NewKeyring(peppers, salts); err != nil {
			t.Fatal(err)
		}
		return k
	}
	const (
		noPepper = "tokens.pepper_files: 1 credential is stored under the pepper "
		noImport = "tokens.import.strapi: 1 credential is stored as another product kept them, and not used since"
	)
	for _, tt := range []struct {
		keys keys
		want []string
	}{
		{ring(pepperText, "strapi"), nil},
		{ring("", "strapi"), []string{noPepper}},
		{ring(strings.ToUpper(pepperText), "strapi"), []string{noPepper}},
		{ring(pepperText, ""), []string{noImport}},
		{ring(pepperText, "legacy"), []string{noImport}},
		{keys{}, []string{noPepper, noImport}},
	} {
		err := tt.keys.recognizes(st, &config.Config{})
		if err == nil || len(tt.want) == 0 {
			if (err == nil) != (len(tt.want) == 0) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%q, want %q", lines, tt.want)
			continue
		}
		for i := range lines {
			if !strings.HasPrefix(lines[i], tt.want[i]) {
				t.Errorf("%q, want %q", lines[i], tt.want[i])
			}
		}
	}
}
