package provision

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// A token of Strapi's, its salt (API_TOKEN_SALT), and what Strapi keeps of it:
//
//	printf %s TOKEN | openssl dgst -sha512 -hmac SALT
const (
	strapiToken  = "ede8156f66c6fc67cc575561bb22f66b403f54428d57a643b68f7f7e5605a27ce0898251f8acbece480846f1bab0182de9b7121d98e223b31bcca18b612b0b38ae506296762ee6b95fc5e8683e05fad3b04bf7a1c86f6c3b7b49375e1631ebbed90e50dd257b526241764ca37ba1d0ab59a58848b66f17a60a00ab4f6b5e15e9"
	strapiSalt   = "c2FsdCBvZiB0aGUgdGVzdA=="
	strapiDigest = "hmac-sha512:strapi:36c4d9461198c122624ce6b572abb9fac3ed512b6d2b810617e4c2d12b626b273df97e9617ab9515d3f150f274ab40d68c93919f2930096f6920f4e95dc06fd6"
	strapiKey    = "1937afb7-a871-8fed-4922-0ec1a00cfb1f"
	nativeKey    = "1e284641-1f7d-2530-b7af-3209b66d9f32" // from SHA-256 of the token
)

var testPeppers = [][]byte{[]byte("the pepper of this year"), []byte("the pepper of last year")}

// keysWith is a keyring with those peppers and the salt of Strapi.
func keysWith(t *testing.T, peppers ...[]byte) token.Keyring {
	t.Helper()
	k, err := token.NewKeyring(peppers, map[string][]byte{"strapi": []byte(strapiSalt)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A manifest means the same record with peppers and without, whenever they come,
// change and go: no second issue, no lifetime that starts again.
func TestPlansAreTheSameUnderPeppers(t *testing.T) {
	plain, peppered := newWorld(t), newWorld(t)
	byDigest := "key: " + keyOf(numbered[0]) + ", digest: '" + digestOf(numbered[0]).String() + "'"
	second := "key: " + keyOf(numbered[1]) + ", digest: '" + digestOf(numbered[1]).String() + "'"
	opaque := "digest: '" + opaqueDigest(opaqueToken).String() + "'"
	steps := []string{
		entry("action: create, user: u, name: a, expires_in: 30d, " + byDigest),
		entry("action: create, user: u, name: a, expires_in: 30d, " + byDigest),
		entry("action: create, user: u, name: a, token: '" + numbered[0] + "'"),
		entry("action: ensure, user: u, name: a, expires_in: 30d, " + byDigest),
		entry("action: ensure, user: u, name: a, credentials: [{" + second + "}, {generate: true}]"), // the one that is there
		entry("action: ensure, user: u, name: a, credentials: [{" + byDigest + "}, {" + second + "}]"),
		entry("action: ensure, user: u, name: a, credentials: [{" + byDigest + "}, {" + second + "}]"),
		entry("action: ensure, user: u, name: a, credentials: [{generate: true}, {generate: true}]"),
		entry("action: ensure, user: u, name: a, grace: 1h, credentials: [{" + second + "}]"),
		entry("action: ensure, user: u, name: a, grace: 1h, credentials: [{" + second + "}]"),
		entry("action: regenerate, user: u, name: a, grace: 1h, token: '" + numbered[1] + "'"),
		entry("action: regenerate, key: " + keyOf(numbered[1]) + ", digest: '" + digestOf(sameKey).String() + "'"),
		entry("action: regenerate, key: " + keyOf(numbered[1]) + ", digest: '" + digestOf(sameKey).String() + "'"),
		entry("action: create, user: u, name: o, " + opaque),
		entry("action: create, user: u, name: o, token: " + opaqueToken),
		entry("action: ensure, user: u, name: o, " + opaque),
		entry("action: update, user: u, name: o, set: {name: p}"),
		entry("action: revoke, token: " + opaqueToken),
		entry("action: delete, user: u, name: a"),
	}
	for i, text := range steps {
		for again := range 2 { // under other peppers, which changes nothing
			peppered.keys = ringAt(t, 2*i+again)
			plain.now = plain.now.Add(time.Minute)
			peppered.now = plain.now
			if got, want := peppered.results(text), plain.results(text); got != want {
				t.Errorf("%s: %s under peppers, and %s without", text, got, want)
			}
			sameRecords(t, text, plain, peppered)
			for n := range numbered[:again*2] { // every other time the tokens are used
				peppered.prove(proof(t, n))
			}
			sameRecords(t, text, plain, peppered)
		}
	}
}

// ringAt is the n-th keyring of a life: plain at first, then with a pepper, then
// with two, which take turns in being the first.
func ringAt(t *testing.T, n int) token.Keyring {
	t.Helper()
	switch {
	case n == 0:
		return token.Keyring{}
	case n == 1:
		return keysWith(t, testPeppers[1])
	}
	return keysWith(t, testPeppers[n%2], testPeppers[1-n%2])
}

// results is what a manifest does, or why it does nothing.
func (w *world) results(text string) string {
	w.t.Helper()
	changes, problems := w.apply(text)
	var all []string
	for _, c := range changes {
		all = append(all, c.Result.String())
	}
	for _, p := range problems {
		all = append(all, p.Text)
	}
	return strings.Join(all, " ")
}

// sameRecords compares two worlds but for the forms of their digests, and those
// by what they are digests of.
func sameRecords(t *testing.T, when string, plain, peppered *world) {
	t.Helper()
	if plain.index.Len() != peppered.index.Len() {
		t.Fatalf("%s: %d tokens, and %d under peppers", when, plain.index.Len(), peppered.index.Len())
	}
	for want := range plain.index.Tokens() {
		got := peppered.token(want.User, want.Name.Name)
		credentials := slices.Clone(got.Credentials)
		for i := range credentials {
			c := &credentials[i]
			if !peppered.keys.Proves(c.Digest, c.Pepper, want.Credentials[i].Digest) {
				t.Errorf("%s: credential %d is of another digest", when, i)
			}
			c.Digest, c.Pepper = want.Credentials[i].Digest, token.PepperID{}
		}
		got.Revision = want.Revision // a new form of a digest is written too
		if got.Credentials = credentials; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", when, got, want)
		}
	}
}

// With a pepper nothing in the store is a digest that a manifest states.
func TestPepperedStoreHasNoPlainDigest(t *testing.T) {
	w := newWorld(t)
	w.keys = keysWith(t, testPeppers[0])
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: create, user: anna, name: o, token: " + opaqueToken))
	w.must(entry("action: create, user: anna, name: g, generate: true"))
	for r := range w.index.Tokens() {
		if c := r.Credentials[0]; c.Pepper != token.PepperIDOf(testPeppers[0]) {
			t.Errorf("%s is under the pepper %s", r.Name.Name, c.Pepper)
		}
	}
	for _, stated := range []token.Digest{digestOf(numbered[0]), opaqueDigest(opaqueToken)} {
		if sum := stated.Bytes(); strings.Contains(w.snapshot(), fmt.Sprintf("%x", sum)) {
			t.Error("a plain digest is in the store")
		}
	}
}

// An opaque token gets another key when it is regenerated, and any other one
// keeps its key, under a pepper as without.
func TestKeysUnderAPepper(t *testing.T) {
	w := newWorld(t)
	w.keys = keysWith(t, testPeppers[0])
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: create, user: anna, name: o, token: " + opaqueToken))
	before := w.token("anna", "o").Credentials[0].Key
	w.must(entry("action: regenerate, " + anna))
	w.must(entry("action: regenerate, user: anna, name: o"))
	if got := w.token("anna", "a").Credentials[0].Key.String(); got != keyOf(numbered[0]) {
		t.Errorf("a standard token has the key %s", got)
	}
	if c := w.token("anna", "o").Credentials[0]; c.Key == before || c.Opaque {
		t.Errorf("an opaque token keeps its key: %+v", c)
	}
}

// sealWith are encryption keys.
func sealWith(t *testing.T) seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(rand.Reader, bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
