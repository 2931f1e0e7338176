package token

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	oldPepper = []byte("the pepper of last year")
	newPepper = []byte("the pepper of this year")
)

func keyring(t testing.TB, peppers ...[]byte) Keyring {
	t.Helper()
	k, err := NewKeyring(peppers, map[string][]byte{"strapi": []byte("salt"), "legacy": []byte("pepper")})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVectorsPepperID(t *testing.T) {
	v, _ := loadVectors(t)
	for _, tt := range v.Peppers {
		if got := PepperIDOf(fromHex(t, tt.Pepper)).String(); got != tt.ID {
			t.Errorf("%s: the ID is %s, want %s", tt.Name, got, tt.ID)
		}
	}
}

// A digest is kept under the first pepper, and recognized in every form that
// the keyring has a pepper for.
func TestKeyringForms(t *testing.T) {
	plain, other := DigestOf(sha256.Sum256([]byte("a"))), DigestOf(sha256.Sum256([]byte("b")))
	none, old, both := Keyring{}, keyring(t, oldPepper), keyring(t, newPepper, oldPepper)
	for name, tt := range map[string]struct {
		keeps, reads    Keyring
		proves, expires bool
	}{
		"plain":              {none, none, true, false},
		"plain, then pepper": {none, old, true, true},
		"pepper":             {old, old, true, false},
		"old pepper":         {old, both, true, true},
		"new pepper":         {both, both, true, false},
		"pepper is gone":     {both, old, false, true},
		"no pepper is left":  {old, none, false, false},
	} {
		kept, under := tt.keeps.Keep(plain)
		if got := tt.reads.Proves(kept, under, plain); got != tt.proves || got != tt.reads.HasPepper(under) {
			t.Errorf("%s: recognized: %v, want %v", name, got, tt.proves)
		}
		if tt.reads.Proves(kept, under, other) {
			t.Errorf("%s: another digest is taken for it", name)
		}
		if got := tt.reads.Outdated(under); got != tt.expires {
			t.Errorf("%s: outdated: %v, want %v", name, got, tt.expires)
		}
	}
	if kept, under := old.Keep(plain); kept.Equal(plain) || under != PepperIDOf(oldPepper) {
		t.Error("a digest is not kept under the pepper")
	}
}

// What is kept under one pepper proves nothing under another of that length.
func TestKeyringTellsPeppersApart(t *testing.T) {
	plain := DigestOf(sha256.Sum256([]byte("a")))
	kept, under := keyring(t, oldPepper).Keep(plain)
	if wrong := keyring(t, newPepper); wrong.HasPepper(under) || wrong.Proves(kept, under, plain) || wrong.Proves(kept, PepperID{}, plain) {
		t.Error("another pepper recognizes the digest")
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	for name, peppers := range map[string][][]byte{
		"same pepper twice": {oldPepper, newPepper, oldPepper},
		"short pepper":      {newPepper, bytes.Repeat([]byte{'x'}, minPepper-1)},
		"empty pepper":      {nil},
	} {
		_, err := NewKeyring(peppers, nil)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "xxx") || strings.Contains(err.Error(), "year") {
			t.Errorf("%s: the error shows the pepper: %v", name, err)
		}
	}
	for _, id := range []string{"", "a b", "a:b"} {
		if _, err := NewKeyring(nil, map[string][]byte{id: []byte("salt")}); err == nil {
			t.Errorf("the import %q is accepted", id)
		}
	}
	if _, err := NewKeyring(nil, map[string][]byte{"strapi": nil}); err == nil {
		t.Error("an empty salt is accepted")
	}
}

func TestKeyringImports(t *testing.T) {
	k := keyring(t)
	if got := k.Imports(); !slices.Equal(got, []string{"legacy", "strapi"}) {
		t.Errorf("imports %q", got)
	}
	want := HMACSHA512.Digest("strapi", opaqueText, []byte("salt"))
	digests := k.Imported(opaqueText)
	if len(digests) != 4 || !slices.ContainsFunc(digests, want.Equal) {
		t.Errorf("%d digests: %v", len(digests), digests)
	}
}

func TestKeyringDoesNotAllocate(t *testing.T) {
	k := keyring(t, newPepper, oldPepper)
	plain := DigestOf(sha256.Sum256([]byte("a")))
	kept, under := keyring(t, oldPepper).Keep(plain)
	if n := testing.AllocsPerRun(10, func() { k.Proves(kept, under, plain); k.Outdated(under) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A Keyring in a log line, by mistake, shows nothing of what it is made of.
func TestKeyringPrintsNothing(t *testing.T) {
	k, err := NewKeyring([][]byte{[]byte("pepper-pepper-pepper")}, map[string][]byte{"strapi": []byte("salt-salt-salt")})
	if err != nil {
		t.Fatal(err)
	}
	inside := struct{ ring Keyring }{k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%c"} {
		for _, value := range []any{k, &k, inside, []Keyring{k}} {
			got := fmt.Sprintf(verb, value)
			for _, secret := range []string{"pepper-pepper", "salt-salt-salt"} {
				bytes := fmt.Sprintf(strings.Replace(verb, "p", "v", 1), []byte(secret)) // under %p these are an address
				if strings.Contains(got, secret) || strings.Contains(got, bytes[8:len(bytes)-2]) {
					t.Errorf("%s prints %s", verb, got)
				}
			}
		}
	}
}
