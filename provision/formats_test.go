package provision

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

// A token of another product, and one of the prefix acme, made elsewhere.
const (
	opaqueToken   = "4f1c2e9a7b3d5f60718293a4b5c6d7e8f9012345"
	opaqueToken2  = "glpat-Xy7_Zw3-Ab9Cd1Ef5Gh2"
	openssl32     = "kgHNm05iAV61I+GY3X5HVr13i866HAAsyou8G+eGubk=" // standard but for its version
	prefixAcme    = "acme"
	wrongChecksum = `does not agree with its checksum`
)

func acme(t *testing.T) token.Formats {
	t.Helper()
	f, err := token.NewFormats(prefixAcme, "old")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func generateIn(t *testing.T, f token.Formats) string {
	t.Helper()
	tok, err := f.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return tok.Reveal()
}

// mistyped is a text with another last character.
func mistyped(text string) string {
	if strings.HasSuffix(text, "0") {
		return text[:len(text)-1] + "1"
	}
	return text[:len(text)-1] + "0"
}

// What may stand as a literal token, and what each that may not is told.
func TestLiteral(t *testing.T) {
	formats := acme(t)
	prefixed := generateIn(t, formats)
	for _, tt := range []struct{ text, want string }{
		{realToken, "standard"},
		{prefixed, "prefixed"},
		{opaqueToken, "opaque"},
		{openssl32, "opaque"},
		{strings.TrimSuffix(realToken, "=") + "#", "opaque"},
		{strings.Repeat("x", 20), "opaque"},
		{strings.Repeat("x", 512), "opaque"},
		{"new_" + prefixed[len("acme_"):], "opaque"}, // nobody knows that prefix
		{mistyped(prefixed), wrongChecksum},
		{"old_" + prefixed[len("acme_"):], wrongChecksum},
		{prefixed[:len(prefixed)-1], "begins with a configured prefix"},
		{prefixed + "x", "begins with a configured prefix"},
		{"acme_" + opaqueToken, "begins with a configured prefix"},
		{strings.Repeat("x", 19), "is malformed"},
		{strings.Repeat("x", 513), "is malformed"},
		{"twenty characters and spaces", "has a space or"},
		{"zwanzig-Zeichen-und-ein-ß", "has a space or"},
		{redacted, "was redacted"},
	} {
		for _, manifest := range []string{
			"action: create, user: a, name: b, token: '%s'", "action: revoke, token: '%s'",
			"action: regenerate, user: a, name: b, token: '%s'",
			"action: ensure, user: a, name: b, credentials: [{generate: true}, {token: '%s'}]",
		} {
			_, problems := Decoder{Formats: formats}.Decode("x.yaml", []byte(entry(fmt.Sprintf(manifest, tt.text))))
			parsed, err := formats.Parse(tt.text)
			switch {
			case err == nil && (len(problems) > 0 || parsed.Kind().String() != tt.want):
				t.Errorf("%s in %s: %v, %v; want %s", tt.text, manifest, parsed.Kind(), problems, tt.want)
			case err != nil && (len(problems) != 1 || !strings.Contains(problems[0].Text, tt.want)):
				t.Errorf("%s in %s: %v; want %q", tt.text, manifest, problems, tt.want)
			}
		}
	}
}

func opaqueDigest(text string) token.Digest {
	tok, err := token.Formats{}.Parse(text)
	if err != nil {
		panic(err)
	}
	return tok.Digest()
}

// A digest without a key is that of an opaque token.
func TestDigestAlone(t *testing.T) {
	digest := "digest: '" + opaqueDigest(opaqueToken).String() + "'"
	want := opaqueDigest(opaqueToken).OpaqueKey().String()
	for name, fields := range map[string]string{
		"create":      "action: create, " + anna + ", " + digest,
		"ensure":      "action: ensure, " + anna + ", " + digest,
		"credentials": "action: create, " + anna + ", credentials: [{" + digest + "}]",
		"with key":    "action: create, " + anna + ", key: " + want + ", " + digest,
		"literal":     "action: create, " + anna + ", token: " + opaqueToken,
	} {
		w := newWorld(t)
		w.must(entry(fields))
		if got := w.token("anna", "a").Credentials[0].Key.String(); got != want {
			t.Errorf("%s: key %s, want %s", name, got, want)
		}
		if got := w.must(entry("action: ensure, " + anna + ", " + digest)); got != "unchanged" {
			t.Errorf("%s: an ensure of the digest: %s", name, got)
		}
		if got := w.must(entry("action: revoke, key: " + want + ", " + digest)); got != "revoked" {
			t.Errorf("%s: revoke by digest: %s", name, got)
		}
	}
	if _, problems := (Decoder{}).Decode("x.yaml", []byte(entry("action: create, "+anna+", credentials: [{"+digest+"}, {token: "+opaqueToken+"}]"))); len(problems) != 1 {
		t.Errorf("the same twice: %v", problems)
	}
}

// Whoever forgets the key of a standard token does not break it.
func TestDigestAloneOfWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	for _, action := range []string{"create", "ensure", "regenerate"} {
		if got := w.must(entry("action: " + action + ", " + anna + ", digest: '" + digestOf(numbered[0]).String() + "'")); got != "unchanged" {
			t.Errorf("%s: %s", action, got)
		}
	}
	alone := "{digest: '" + digestOf(numbered[0]).String() + "'}"
	w.must(entry("action: ensure, " + anna + ", credentials: [" + alone + ", {" + tok(1) + "}]"))
	if got := w.spelled("anna", "a"); got != "0 1" {
		t.Errorf("with another credential beside it: %s", got)
	}
	w.must(entry("action: regenerate, " + anna + ", digest: '" + digestOf(sameKey).String() + "'"))
	if got := w.spelled("anna", "a"); got != "?" || w.token("anna", "a").Credentials[0].Key.String() != keyOf(sameKey) {
		t.Errorf("regenerated to %s", got)
	}
}

// SPEC section 4: an opaque token becomes a generated one with a new key.
func TestRegenerateOpaque(t *testing.T) {
	// The second one's key has the form of a random UUID, by chance.
	for _, text := range []string{opaqueToken, versionFour(t)} {
		w := newWorld(t)
		w.formats = acme(t)
		w.must(entry("action: create, " + anna + ", token: '" + text + "'"))
		old := w.token("anna", "a").Credentials[0]
		w.must(entry("action: regenerate, " + anna + ", grace: 1h"))
		creds := w.token("anna", "a").Credentials
		if len(creds) != 2 || !creds[0].Key.IsVersion4() || creds[0].Key == old.Key || creds[1].Key != old.Key || creds[1].GoodUntil.IsZero() {
			t.Fatalf("regenerated to %+v", creds)
		}
		for _, c := range creds { // each is a key of the token, and selects it
			if r, ok := w.index.ByKey(c.Key); !ok || r.Name.Name != "a" {
				t.Errorf("key %s selects %+v", c.Key, r.Name)
			}
		}
		w.must(entry("action: regenerate, " + anna))
		again := w.token("anna", "a").Credentials
		if len(again) != 1 || again[0].Key != creds[0].Key || again[0].Digest.Equal(creds[0].Digest) {
			t.Errorf("a generated secret keeps its key: %+v", again)
		}
		if _, ok := w.index.ByKey(old.Key); ok {
			t.Error("the grace did not end with the second regeneration")
		}
	}
}

// versionFour is an opaque token whose key could be a standard one's.
func versionFour(t *testing.T) string {
	t.Helper()
	for i := range 10_000 {
		text := fmt.Sprintf("other-product-token-%d", i)
		if opaqueDigest(text).OpaqueKey().IsVersion4() {
			return text
		}
	}
	t.Fatal("there is none")
	return ""
}

// A revocation remembers the keys in grace, whatever their format.
func TestRevokeOpaqueInGrace(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", token: " + opaqueToken))
	w.must(entry("action: regenerate, " + anna + ", grace: 1h"))
	w.must(entry("action: revoke, " + anna))
	_, problems := w.apply(entry("action: create, " + anna + ", token: " + opaqueToken))
	if len(problems) != 1 || problems[0].Text != wasRevoked {
		t.Errorf("created again: %v", problems)
	}
}

// What is generated has the configured form.
func TestGenerateInConfiguredForm(t *testing.T) {
	w, random := newWorld(t), rand.Reader
	w.formats = acme(t)
	w.must(entry("action: create, " + anna + ", generate: true"))
	made, err := (&planner{env: Env{Random: random, Formats: w.formats}}).generateToken(w.token("anna", "a").Credentials[0].Key)
	if err != nil || made.Kind() != token.Prefixed || !strings.HasPrefix(made.Reveal(), "acme_") {
		t.Errorf("generated %v, %v", made.Kind(), err)
	}
}

// Invariant 6, for every format.
func TestRedactFormats(t *testing.T) {
	formats := acme(t)
	prefixed, other := generateIn(t, formats), generateIn(t, formats)
	former := "old_" + prefixed[len("acme_"):]
	for name, tt := range map[string]struct{ file, data, want string }{
		"opaque":               {"x.yaml", "token: " + opaqueToken + " # was " + opaqueToken + "\n", "token: REDACTED # was REDACTED\n"},
		"prefixed":             {"x.yaml", "token: " + prefixed + " # " + prefixed + "\n", "token: REDACTED # REDACTED\n"},
		"prefixed elsewhere":   {"x.yaml", "# " + other + ", " + former + "\ntoken: " + prefixed + "\n", "# REDACTED, " + former + "\ntoken: REDACTED\n"},
		"prefixed alone":       {"x.toml", "# " + other + "\n", "# REDACTED\n"},
		"not quite prefixed":   {"x.toml", "# " + mistyped(other) + "\n", ""},
		"unknown prefix":       {"x.yaml", "token: new_" + opaqueToken + "\n# new_" + opaqueToken + "\n", "token: REDACTED\n# REDACTED\n"},
		"one begins another":   {"x.yaml", "a: {token: " + opaqueToken + "}\nb: {token: " + opaqueToken + "xyz}\n# " + opaqueToken + "xyz\n", "a: {token: REDACTED}\nb: {token: REDACTED}\n# REDACTED\n"},
		"in another value":     {"x.json", `{"token": "` + opaqueToken + `", "name": "x` + opaqueToken + `"}`, `{"token": "REDACTED", "name": "xREDACTED"}`},
		"quotes in the secret": {"x.json", `{"token": "quotes-\"and\\slashes-20"}`, `{"token": "REDACTED"}`},
	} {
		got := Decoder{Formats: formats}.Redact(tt.file, []byte(tt.data))
		if string(got) != tt.want || (got == nil) != (tt.want == "") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
	escaped := `{"token": "` + opaqueToken + `", "a": "\u0034` + opaqueToken[1:] + `"}`
	if got := (Decoder{}).Redact("x.json", []byte(escaped)); string(got) != string(wholly(jsonSyntax)) {
		t.Errorf("an escaped repetition: %s", got)
	}
}

// However many opaque tokens a valid manifest has, the rest of it stays.
func TestRedactManyOpaque(t *testing.T) {
	var text, want strings.Builder
	for i := range maxEntries {
		line := fmt.Sprintf("- {action: create, user: u, name: n%d, token: %%s} # %%s\n", i)
		secret := fmt.Sprintf("ghp_0123456789abcdefgh%d", i)
		fmt.Fprintf(&text, line, secret, secret)
		fmt.Fprintf(&want, line, redacted, redacted)
	}
	if got := (Decoder{}).Redact("x.yaml", []byte("tokens:\n"+text.String())); string(got) != "tokens:\n"+want.String() {
		t.Errorf("got %.300s", got)
	}
}
