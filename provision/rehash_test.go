package provision

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// with keeps credentials with those keys from now on.
func (b *bench) with(keys token.Keyring) { b.Configure(Settings{Keys: keys}) }

// proof is what the n-th token proves.
func proof(t *testing.T, n int) Proof {
	t.Helper()
	tok, err := token.Parse(numbered[n])
	if err != nil {
		t.Fatal(err)
	}
	return Proof{tok.Key, tok.Digest()}
}

func createsToken(name string, n int) string {
	return entry("action: create, user: u, name: " + name + ", " + tok(n))
}

// A batch of proofs is one entry in the ledger, and changes nothing of the tokens
// but the form of their digests.
func TestRehash(t *testing.T) {
	b := newBench(t)
	b.outcomes(patch(1, createsToken("a", 0)), patch(2, createsToken("b", 1)), patch(3, createsToken("c", 2)))
	before := b.records()
	keys := keysWith(t, testPeppers[0])
	b.with(keys)
	b.Now = func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	proofs := []Proof{proof(t, 0), proof(t, 1), {token.Key{1}, token.Digest{}}}
	if err := b.Rehash(t.Context(), proofs); err != nil {
		t.Fatal(err)
	}
	after := b.records()
	for name, r := range after {
		if under := r.Credentials[0].Pepper; (under == token.PepperIDOf(testPeppers[0])) != (name != "c") {
			t.Errorf("%s is under the pepper %s", name, under)
		}
		want := before[name]
		if name != "c" && !keys.Proves(r.Credentials[0].Digest, r.Credentials[0].Pepper, want.Credentials[0].Digest) {
			t.Errorf("%s has another digest", name)
		}
		r.Credentials, r.Revision = slices.Clone(r.Credentials), want.Revision
		r.Credentials[0].Digest, r.Credentials[0].Pepper = want.Credentials[0].Digest, token.PepperID{}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, r, want)
		}
	}
	e := b.last()
	if len(b.ledger()) != 4 || e.Dir != "" || e.Path != "" || e.Outcome != store.Installed || !e.Changed || len(e.Changes) != 2 {
		t.Errorf("the ledger's last entry is %+v", e)
	}
	for _, c := range e.Changes {
		if c.Action != Rehashed || c.Result != store.Updated {
			t.Errorf("it says %+v", c)
		}
	}
	if err := b.Rehash(t.Context(), proofs); err != nil || len(b.ledger()) != 4 {
		t.Errorf("again: %v, and %d entries", err, len(b.ledger()))
	}
}

// What changed since it was proven stays as it is.
func TestRehashLeavesAlone(t *testing.T) {
	keys := keysWith(t, testPeppers[0])
	for name, meanwhile := range map[string]string{
		"deleted":     entry("action: delete, user: u, name: a"),
		"regenerated": entry("action: regenerate, user: u, name: a"),
		"revoked":     entry("action: revoke, user: u, name: a"),
	} {
		b := newBench(t)
		b.outcomes(patch(1, createsToken("a", 0)))
		b.outcomes(patch(2, meanwhile))
		before := b.records()
		b.with(keys)
		if err := b.Rehash(t.Context(), []Proof{proof(t, 0)}); err != nil || !reflect.DeepEqual(b.records(), before) || len(b.ledger()) != 2 {
			t.Errorf("%s meanwhile: %v, %+v", name, err, b.records())
		}
	}
}

// Both credentials of a key are outdated when its secret is replaced within a
// grace, and only the proven one is known.
func TestRehashInGrace(t *testing.T) {
	b := newBench(t)
	b.outcomes(patch(1, createsToken("a", 0)), patch(2, entry("action: regenerate, user: u, name: a, grace: 1h")))
	b.with(keysWith(t, testPeppers[0]))
	if err := b.Rehash(t.Context(), []Proof{proof(t, 0)}); err != nil {
		t.Fatal(err)
	}
	c := b.records()["a"].Credentials
	if len(c) != 2 || c[0].Pepper != (token.PepperID{}) || c[1].Pepper != token.PepperIDOf(testPeppers[0]) || c[1].GoodUntil.IsZero() {
		t.Errorf("credentials %+v", c)
	}
}

// An imported credential stays one where its new key is another token's, or was
// revoked: no token can get that key.
func TestRehashOfImportedYields(t *testing.T) {
	tok, _ := token.ParseOpaque(strapiToken)
	key, err := token.ParseKey(strapiKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string]string{
		"taken":   entry("action: create, user: v, name: n, token: " + strapiToken),
		"revoked": entry("action: revoke, token: " + strapiToken),
	} {
		b := newBench(t)
		b.outcomes(patch(1, first)) // when the import is not configured yet
		b.with(keysWith(t))
		if got := b.outcomes(patch(2, entry("action: create, user: u, name: n, "+byStrapi))); got != "installed" {
			t.Fatal(name, got)
		}
		if err := b.Rehash(t.Context(), []Proof{{key, tok.Digest()}}); err != nil || len(b.ledger()) != 2 {
			t.Errorf("%s: %v", name, err)
		}
		if r := b.records()["n"]; r.User == "u" && r.Credentials[0].Imported() == nil {
			t.Errorf("%s: the credential is %+v", name, r.Credentials[0])
		}
	}
}

// What comes of a commit that fails, and of one that another writer was faster
// than.
func TestRehashFails(t *testing.T) {
	for name, want := range map[string]error{"unavailable": store.ErrUnavailable, "unknown": store.ErrUnknown} {
		b := newBench(t)
		b.outcomes(patch(1, createsToken("a", 0)))
		b.with(keysWith(t, testPeppers[0]))
		b.faults.Before = func(*store.Batch) error { return want }
		if err := b.Rehash(t.Context(), []Proof{proof(t, 0)}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if b.records()["a"].Credentials[0].Pepper != (token.PepperID{}) {
			t.Errorf("%s: what is not stored is shown", name)
		}
	}
	b := newBench(t)
	b.outcomes(patch(1, createsToken("a", 0)))
	b.with(keysWith(t, testPeppers[0]))
	conflicts := 0
	b.faults.Before = func(*store.Batch) error {
		if conflicts++; conflicts < 3 {
			return store.ErrConflict
		}
		return nil
	}
	if err := b.Rehash(t.Context(), []Proof{proof(t, 0)}); err != nil || b.records()["a"].Credentials[0].Pepper == (token.PepperID{}) {
		t.Errorf("after conflicts: %v", err)
	}
}

func (b *bench) records() map[string]store.Record {
	all := map[string]store.Record{}
	for r := range b.Store.Tokens() {
		all[r.Name.Name] = r
	}
	return all
}

func (b *bench) last() (last store.Entry) {
	b.t.Helper()
	for e, err := range b.Store.Ledger(b.t.Context()) {
		if err != nil {
			b.t.Fatal(err)
		}
		last = e
	}
	return last
}
