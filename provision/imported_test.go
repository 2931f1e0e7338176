package provision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const byStrapi = "digest: '" + strapiDigest + "'"

// importing is a world that has the salt of Strapi.
func importing(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.keys = keysWith(t)
	return w
}

// use is prove for a token of another product.
func (w *world) use(credential string, text string) {
	w.t.Helper()
	key, err := token.ParseKey(credential)
	if err != nil {
		w.t.Fatal(err)
	}
	w.prove(Proof{key, opaqueDigest(text)})
}

// prove makes a credential what it becomes by being used.
func (w *world) prove(proof Proof) {
	w.t.Helper()
	draft := store.NewDraft(&w.index)
	p := planner{draft: draft, tokens: draft, env: Env{Keys: w.keys}}
	p.rehash(&proof)
	b := draft.Batch([]store.Entry{{}})
	w.last++
	for i := range b.Put {
		b.Put[i].Revision = store.Revision(w.last)
	}
	w.index.Apply(&b)
}

// keysOf writes the keys that select a token.
func keysOf(r store.Record) string {
	var all []string
	for _, k := range r.Keys() {
		all = append(all, k.String())
	}
	return strings.Join(all, " ")
}

// An imported digest means the same token before it was used and after, by
// whichever entry states it, and by the token itself.
func TestImportedIsUnchanged(t *testing.T) {
	for name, again := range map[string]string{
		"create":      "action: create, user: u, name: n, " + byStrapi,
		"with key":    "action: create, user: u, name: n, key: " + strapiKey + ", " + byStrapi,
		"ensure":      "action: ensure, user: u, name: n, " + byStrapi,
		"by key":      "action: ensure, key: " + strapiKey + ", " + byStrapi,
		"credentials": "action: ensure, user: u, name: n, credentials: [{" + byStrapi + "}]",
		"regenerate":  "action: regenerate, user: u, name: n, " + byStrapi,
		"literal":     "action: create, user: u, name: n, token: " + strapiToken,
		"ensured":     "action: ensure, user: u, name: n, token: " + strapiToken,
		"generate":    "action: ensure, user: u, name: n, generate: true",
		"selector":    "action: enable, user: u, name: n, key: " + strapiKey,
	} {
		for _, used := range []bool{false, true} {
			w := importing(t)
			w.must(entry("action: create, user: u, name: n, " + byStrapi))
			if used {
				w.use(strapiKey, strapiToken)
			}
			before := w.snapshot()
			w.now = w.now.Add(time.Hour)
			if got := w.must(entry(again)); got != "unchanged" || w.snapshot() != before {
				t.Errorf("%s, used: %v: %s", name, used, got)
			}
		}
	}
}

func TestImportedBecomesNative(t *testing.T) {
	for name, peppers := range map[string][][]byte{"plain": nil, "peppered": testPeppers[:1]} {
		w := importing(t)
		w.keys = keysWith(t, peppers...)
		w.must(entry("action: create, user: u, name: n, expires_in: 30d, " + byStrapi))
		before := w.token("u", "n")
		if got := keysOf(before); got != strapiKey {
			t.Errorf("%s: imported, it has the keys %s", name, got)
		}
		w.use(strapiKey, strapiToken)
		after := w.token("u", "n")
		if got := keysOf(after); got != nativeKey+" "+strapiKey {
			t.Errorf("%s: native, it has the keys %s", name, got)
		}
		c := after.Credentials[0]
		if c.Imported() != nil || !c.Opaque || !w.keys.Proves(c.Digest, c.Pepper, opaqueDigest(strapiToken)) {
			t.Errorf("%s: the credential is %+v", name, c)
		}
		if row := store.AppendRecord(nil, &after); strings.Contains(string(row), "hmac") {
			t.Errorf("%s: the other product's digest is kept", name)
		}
		if c.Number != before.Credentials[0].Number || !c.IssuedAt.Equal(before.IssuedAt) || after.Generation != before.Generation ||
			!after.UpdatedAt.Equal(before.UpdatedAt) || !after.ExpiresAt.Equal(before.ExpiresAt) {
			t.Errorf("%s: the token was issued anew: %+v", name, after)
		}
	}
}

// Revoking takes every key that the token has or had, and those that its text
// would have.
func TestRevokeImported(t *testing.T) {
	for name, selector := range map[string]string{
		"key": "key: " + strapiKey, "digest": byStrapi, "text": "token: " + strapiToken, "name": "user: u, name: n",
	} {
		for _, used := range []bool{false, true} {
			w := importing(t)
			w.must(entry("action: create, user: u, name: n, " + byStrapi))
			if used {
				w.use(strapiKey, strapiToken)
			}
			if got := w.must(entry("action: revoke, " + selector)); got != "revoked" {
				t.Errorf("%s, used: %v: %s", name, used, got)
			}
			for _, again := range []string{byStrapi, "token: " + strapiToken} {
				_, problems := w.apply(entry("action: create, user: v, name: n, " + again))
				if len(problems) != 1 || problems[0].Text != wasRevoked {
					t.Errorf("%s, used: %v, again by %.10s: %v", name, used, again, problems)
				}
			}
		}
	}
}

// What was revoked by its text before it was ever imported stays so.
func TestRevokeWhatMayBeImported(t *testing.T) {
	w := importing(t)
	if got := w.must(entry("action: revoke, token: " + strapiToken)); got != "revoked" {
		t.Error(got)
	}
	if got := w.must(entry("action: revoke, token: " + strapiToken)); got != "unchanged" {
		t.Error(got)
	}
	if _, problems := w.apply(entry("action: create, user: u, name: n, " + byStrapi)); len(problems) != 1 || problems[0].Text != wasRevoked {
		t.Errorf("imported: %v", problems)
	}
	if got := w.must(entry("action: revoke, " + byStrapi)); got != "unchanged" {
		t.Error(got)
	}
}

// A key that a token had is nobody else's, and goes when its credential does.
func TestFormerKeyIsTaken(t *testing.T) {
	w := importing(t)
	w.must(entry("action: create, user: u, name: n, " + byStrapi))
	w.use(strapiKey, strapiToken)
	for _, source := range []string{byStrapi, "token: " + strapiToken} {
		if _, problems := w.apply(entry("action: create, user: v, name: n, " + source)); len(problems) != 1 || !strings.HasPrefix(problems[0].Text, isTaken) {
			t.Errorf("%.10s for another token: %v", source, problems)
		}
	}
	w.must(entry("action: update, key: " + strapiKey + ", set: {name: m}"))
	w.must(entry("action: regenerate, key: " + strapiKey))
	if got := keysOf(w.token("u", "m")); strings.Contains(got, strapiKey) || strings.Contains(got, nativeKey) {
		t.Errorf("after a regeneration it has the keys %s", got)
	}
	w.must(entry("action: create, user: v, name: n, " + byStrapi))
}

// A rotation from an imported token to a new one, without an interruption.
func TestRotateImported(t *testing.T) {
	w := importing(t)
	second := "key: " + keyOf(numbered[1]) + ", digest: '" + digestOf(numbered[1]).String() + "'"
	states := []string{"{" + byStrapi + "}", "{" + byStrapi + "}, {" + second + "}", "{" + second + "}"}
	for i, state := range states {
		manifest := entry("action: ensure, user: u, name: n, credentials: [" + state + "]")
		if got := w.must(manifest); got == "unchanged" {
			t.Errorf("state %d changes nothing", i)
		}
		if i == 1 {
			w.use(strapiKey, strapiToken)
		}
		if got := w.must(manifest); got != "unchanged" {
			t.Errorf("state %d again: %s", i, got)
		}
	}
	if r := w.token("u", "n"); r.Generation != 2 || len(r.Credentials) != 1 {
		t.Errorf("it ends as %+v", r)
	}
}

func TestImportsAreConfigured(t *testing.T) {
	d := Decoder{Imports: []string{"legacy", "strapi"}}
	hex := strings.TrimPrefix(strapiDigest, "hmac-sha512:strapi:")
	for id, want := range map[string]string{
		"strapi": "", "srtapi": `did you mean "strapi"?`, "Strapi": `did you mean "strapi"?`, "jira": "add [tokens.import.ID]",
	} {
		m, problems := d.Decode("x.yaml", []byte(entry("action: create, user: u, name: n, digest: 'hmac-sha512:"+id+":"+hex+"'")))
		switch {
		case want == "" && (len(problems) > 0 || m.Entries[0].Sources[0].Key.String() != strapiKey):
			t.Errorf("%s: %v", id, problems)
		case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Text, want) || strings.Contains(problems[0].Text, "jira")):
			t.Errorf("%s: %v", id, problems)
		}
	}
}

func TestImportedIsWarnedOf(t *testing.T) {
	m, problems := Decoder{}.Decode("x.yaml", []byte(entry("action: ensure, user: u, name: n, expires_in: 1d, "+byStrapi)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := Warn(m, time.Time{}); len(got) != 1 || got[0].Text != warnOpaque {
		t.Errorf("warnings %v", got)
	}
}

// Both spellings of a literal, in both places, are kept encrypted; what is
// stated by its digest cannot be.
func TestSealed(t *testing.T) {
	w := importing(t)
	w.settings.Seal = sealWith(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: create, user: u, name: generated, generate: true"))
	w.must(entry("action: create, user: u, name: opaque, token: " + opaqueToken))
	w.must(entry("action: create, user: u, name: two, credentials: [{" + tok(1) + "}, {generate: true}]"))
	w.must(entry("action: create, user: u, name: digest, digest: '" + opaqueDigest(opaqueToken2).String() + "'"))
	w.must(entry("action: create, user: u, name: imported, " + byStrapi))
	w.must(entry("action: update, user: u, name: opaque, set: {name: renamed}"))
	w.must(entry("action: regenerate, user: u, name: generated"))
	for r := range w.index.Tokens() {
		for i := range r.Credentials {
			c := &r.Credentials[i]
			text, err := w.settings.Seal.Open(c.Key, c.Sealed())
			if kept := r.Name.Name != "digest" && r.Name.Name != "imported"; (err == nil) != kept {
				t.Errorf("%s: %v", r.Name.Name, err)
			} else if kept {
				tok, err := token.Formats{}.Parse(text)
				if err != nil || !w.keys.Proves(c.Digest, c.Pepper, tok.Digest()) {
					t.Errorf("%s: another text is kept: %v", r.Name.Name, err)
				}
			}
		}
	}
	literal := w.token("anna", "a")
	if text, err := w.settings.Seal.Open(literal.Key(), literal.Credentials[0].Sealed()); err != nil || text != numbered[0] {
		t.Errorf("the literal token: %v", err)
	}
}

// Invariant 6, where tokens are kept: a manifest has them encrypted only.
func TestManifestWithSealedHoldsNoSecret(t *testing.T) {
	settings := Settings{Seal: sealWith(t), Keys: keysWith(t)}
	m, problems := settings.decoder().Decode("x.yaml", []byte(entry("action: create, "+anna+", token: "+strapiToken)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if text := fmt.Sprintf("%+v %q", m, m.Entries[0].Sources[0].Sealed); strings.Contains(text, strapiToken[:16]) {
		t.Error("the manifest holds its token")
	}
}
