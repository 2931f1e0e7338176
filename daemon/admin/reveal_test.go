package admin

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

func sealKeys(t *testing.T, fill byte) seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(rand.Reader, bytes.Repeat([]byte{fill}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// add puts further tokens into the store.
func (l *Local) add(t *testing.T, records ...store.Record) {
	t.Helper()
	b := store.Batch{Expect: map[store.Name]store.Revision{}, Put: records, Entries: []store.Entry{{Patch: store.PatchID{9}}}}
	for _, r := range records {
		b.Expect[r.Name] = 0
	}
	if err := l.Store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// keeping is the service with tokens that are kept: one, one with two
// credentials of the same key, and one whose text was put in from another.
func keeping(t *testing.T) (l *Local, texts []string) {
	t.Helper()
	l = stocked(t)
	l.Seal = sealKeys(t, 7)
	var all []store.Credential
	made := func(tok token.Token, err error) {
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := l.Seal.Seal(tok)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, tok.Reveal())
		all = append(all, store.Credential{Key: tok.Key, Digest: tok.Digest(), Extra: &store.Extra{Sealed: sealed}})
	}
	made(token.Generate(rand.Reader))
	made(token.Generate(rand.Reader))
	made(token.Formats{}.GenerateFor(all[1].Key, rand.Reader))
	made(token.Generate(rand.Reader))
	all[2].GoodUntil = noon
	all[0].Extra.Former = token.Key{7}
	all[3].Extra = &store.Extra{Sealed: all[0].Sealed()}
	l.add(t, store.Record{Name: store.Name{User: "/users/root", Name: "one"}, Credentials: all[:1]},
		store.Record{Name: store.Name{User: "v", Name: "two"}, Credentials: all[1:3]},
		store.Record{Name: store.Name{User: "v", Name: "moved"}, Credentials: all[3:]},
		store.Record{Name: store.Name{User: "x/y", Name: "z"}, Credentials: []store.Credential{{Key: token.Key{8}}}},
		store.Record{Name: store.Name{User: "x", Name: "y/z"}, Credentials: []store.Credential{{Key: token.Key{9}}}})
	return l, texts
}

func TestReveal(t *testing.T) {
	l, texts := keeping(t)
	var told []string
	l.Told = func(to string, key token.Key) { told = append(told, to+" "+key.String()) }
	client := over(t, l)
	two, err := token.Parse(texts[1])
	if err != nil {
		t.Fatal(err)
	}
	for called, want := range map[string]string{
		"/users/root/one": texts[0], "v/two": texts[1], two.Key.String(): texts[1], token.Key{7}.String(): texts[0],
	} {
		got, err := client.Reveal(t.Context(), called)
		if err != nil || got.Token != want {
			t.Errorf("%s: %v, %v", called, got, err)
		}
	}
	me := patches.UserName(uint32(os.Geteuid()))
	if len(told) != 4 || !slices.Contains(told, me+" "+two.Key.String()) { // invariant 6
		t.Errorf("told of %q", told)
	}
	for called, want := range map[string]string{
		"u/b": "not kept", "v/moved": "belongs to another token", "nobody/none": "no such token", "": "no such token",
		"x/y/z": "several tokens are called so", token.Key{6}.String(): "no such token",
	} {
		if got, err := client.Reveal(t.Context(), called); err == nil || !strings.Contains(err.Error(), want) || got.Token != "" {
			t.Errorf("%s: %v, %v", called, got, err)
		}
	}
	l.Seal = sealKeys(t, 8)
	if _, err := client.Reveal(t.Context(), "v/two"); err == nil || !strings.Contains(err.Error(), "encryption_key_files again") {
		t.Errorf("with another key: %v", err)
	}
	if len(told) != 4 {
		t.Errorf("told of what was not revealed: %q", told)
	}
	l.Seal = seal.Keys{}
	for _, called := range []string{"v/two", "u/b"} {
		if _, err := client.Reveal(t.Context(), called); err == nil || !strings.Contains(err.Error(), "[tokens] has no encryption_key_files") {
			t.Errorf("%s without a key: %v", called, err)
		}
	}
}

// Invariant 1: nothing else shows a token that is kept, or what it is kept as.
func TestNothingElseReveals(t *testing.T) {
	l, texts := keeping(t)
	client := over(t, l)
	tokens, err := all(client.Tokens(t.Context(), TokenFilter{}))
	if err != nil || len(tokens) != 8 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	one, err := client.Token(t.Context(), "/users/root/one")
	if err != nil {
		t.Fatal(err)
	}
	history, err := all(client.History(t.Context(), EntryFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	answers, err := json.Marshal([]any{tokens, one, history})
	if err != nil {
		t.Fatal(err)
	}
	rec, _ := l.Store.ByName(store.Name{User: "/users/root", Name: "one"})
	for _, secret := range append(texts, string(rec.Credentials[0].Sealed())) {
		for i := 24; i+8 <= len(secret); i += 8 {
			if bytes.Contains(answers, []byte(secret[i:i+8])) {
				t.Errorf("an answer has a part of a secret")
			}
		}
	}
}

// A token is found by each of its keys, the one that it had included.
func TestToken(t *testing.T) {
	l, _ := keeping(t)
	client := over(t, l)
	list, err := all(client.Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range list {
		if tok.User == "x" || tok.User == "x/y" {
			continue // these two are called the same
		}
		for _, called := range []string{tok.Key.String(), tok.User + "/" + tok.Name} {
			if got, err := client.Token(t.Context(), called); err != nil || got.Name != tok.Name || got.State != tok.State {
				t.Errorf("%s is %+v, %v", called, got, err)
			}
		}
	}
	if got, err := client.Token(t.Context(), token.Key{7}.String()); err != nil || got.Name != "one" {
		t.Errorf("the former key is %+v, %v", got, err)
	}
}
