package verify

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const salt = "the salt of another product"

var peppers = [][]byte{[]byte("the pepper of this year"), []byte("the pepper of last year")}

// ring is a keyring with some of the peppers, and with one import or none.
func ring(tb testing.TB, peppers [][]byte, imports ...string) token.Keyring {
	tb.Helper()
	salts := map[string][]byte{}
	for _, id := range imports {
		salts[id] = []byte(salt)
	}
	k, err := token.NewKeyring(peppers, salts)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// kept is a token under a name, as it is stored with those keys.
func kept(name string, tok token.Token, keys token.Keyring) store.Record {
	rec := of(name, tok)
	c := &rec.Credentials[0]
	c.Digest, c.Pepper = keys.Keep(tok.Digest())
	c.Opaque = tok.Kind() == token.Opaque
	return rec
}

// importedAs is a token under a name, as another product has kept it.
func importedAs(name string, d token.ImportedDigest) store.Record {
	rec := of(name, token.Token{Key: d.Key()})
	rec.Credentials[0].Extra = &store.Extra{Imported: d}
	return rec
}

// everyForm is everyKind with two peppers and an import: each token lies there
// plain, under each pepper, and one as another product kept it.
func everyForm(tb testing.TB) (e every, r *Register, outdated map[string]bool) {
	tb.Helper()
	e = every{tokens: &store.Index{}, formats: acme(tb), good: map[string]token.Token{}, bad: everyKind(tb).bad}
	r = &Register{Tokens: e.tokens, Formats: e.formats, Keys: ring(tb, peppers, "strapi", "legacy")}
	outdated = map[string]bool{}
	var b store.Batch
	for form, keys := range map[string]token.Keyring{"plain": {}, "new pepper": ring(tb, peppers[:1]), "old pepper": ring(tb, peppers[1:])} {
		for kind, tok := range map[string]token.Token{
			"standard": made(tb, token.Formats{}), "prefixed": made(tb, e.formats), "opaque": opaque(made(tb, token.Formats{}).Key.String()),
		} {
			name := kind + ", " + form
			e.good[name], outdated[name] = tok, form != "new pepper"
			b.Put = append(b.Put, kept(name, tok, keys))
			e.bad[name+", wrong secret"] = sibling(tb, e.formats, tok)
		}
	}
	for i, scheme := range []token.Scheme{token.HMACSHA512, token.HMACSHA256} {
		name, tok := scheme.String(), opaque(fmt.Sprintf("%040x", made(tb, token.Formats{}).Key))
		e.good[name], outdated[name] = tok, true
		b.Put = append(b.Put, importedAs(name, scheme.Digest([]string{"strapi", "legacy"}[i], tok.Reveal(), []byte(salt))))
	}
	e.tokens.Apply(&b)
	return e, r, outdated
}

// A token is good in whichever form the store keeps it, and its credential is
// outdated in all forms but the first pepper's.
func TestAskForms(t *testing.T) {
	e, r, outdated := everyForm(t)
	for name, tok := range e.good {
		d := r.Ask(question(tok.Reveal()), noon)
		if d.Reason != Yes || d.Record.Name.Name != name || d.Credential == nil || d.Presented() != d.Record.Key() {
			t.Errorf("%s: %v to %s, %s", name, d.Reason, d.Presented(), d.Record.Name.Name)
		}
		if d.Outdated != outdated[name] || !d.Digest().Equal(tok.Digest()) {
			t.Errorf("%s: outdated: %v", name, d.Outdated)
		}
	}
	for name, text := range e.bad {
		if d := r.Ask(question(text), noon); d.Reason != InvalidToken || d.Outdated || d.Credential != nil || d.Record != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// What the keyring has no pepper or salt for is not recognized, and neither is
// what lies there in one form taken for another.
func TestAskWithoutTheKeys(t *testing.T) {
	e, r, _ := everyForm(t)
	for name, tok := range e.good {
		for without, tt := range map[string]struct {
			keys token.Keyring
			want bool
		}{
			"all":        {token.Keyring{}, strings.HasSuffix(name, ", plain")},
			"old pepper": {ring(t, peppers[:1], "strapi", "legacy"), !strings.HasSuffix(name, ", old pepper")},
			"imports":    {ring(t, peppers), !strings.HasPrefix(name, "hmac-")},
			"one import": {ring(t, peppers, "legacy"), name != "hmac-sha512"},
		} {
			r.Keys = tt.keys
			if d := r.Ask(question(tok.Reveal()), noon); (d.Reason == Yes) != tt.want {
				t.Errorf("%s without %s: %v", name, without, d.Reason)
			}
		}
	}
}

// The key that a credential had as another product's selects the token, and
// proves nothing: not with its secret, and not with another one.
func TestFormerKeyProvesNothing(t *testing.T) {
	tok := made(t, token.Formats{})
	former := made(t, token.Formats{})
	rec := of("a", tok)
	rec.Credentials[0].Extra = &store.Extra{Former: former.Key}
	index := &store.Index{}
	index.Apply(&store.Batch{Put: []store.Record{rec}})
	r := &Register{Tokens: index}
	if d := r.Ask(question(former.Reveal()), noon); d.Reason != InvalidToken {
		t.Errorf("the former key: %v", d.Reason)
	}
	if d := r.Ask(question(tok.Reveal()), noon); d.Reason != Yes || d.Presented() != tok.Key {
		t.Errorf("the token: %v", d.Reason)
	}
}

// An imported credential in grace is good until its grace is over.
func TestImportedInGrace(t *testing.T) {
	text := fmt.Sprintf("%040x", made(t, token.Formats{}).Key)
	rec := importedAs("a", token.HMACSHA512.Digest("strapi", text, []byte(salt)))
	index := &store.Index{}
	for left, want := range map[time.Duration]Reason{time.Millisecond: Yes, 0: InvalidToken} {
		rec.Credentials[0].GoodUntil = noon.Add(left)
		index.Apply(&store.Batch{Put: []store.Record{rec}})
		r := &Register{Tokens: index, Keys: ring(t, nil, "strapi")}
		if d := r.Ask(question(text), noon); d.Reason != want || d.Outdated != (want == Yes) {
			t.Errorf("%v before the end of its grace: %v, outdated: %v", left, d.Reason, d.Outdated)
		}
	}
}

// Invariant 3, with peppers and two imports of two schemes each.
func TestEveryNoTakesTheSameLookupsInEveryForm(t *testing.T) {
	e, r, _ := everyForm(t)
	for name, text := range e.bad {
		c := &counted{Tokens: e.tokens}
		r.Tokens = c
		released(r.Ask(question(text), noon))
		if c.lookups != 2+4 {
			t.Errorf("%s: %d lookups", name, c.lookups)
		}
	}
}

func TestAskDoesNotAllocateForPeppers(t *testing.T) {
	e, r, _ := everyForm(t)
	for name, tok := range e.good {
		if strings.HasPrefix(name, "hmac-") {
			continue
		}
		text := tok.Reveal()
		if n := testing.AllocsPerRun(100, func() { released(r.Ask(question(text), noon)) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// A handler tells of what is outdated when it was good, and never otherwise.
func TestHandlerTellsOfOutdated(t *testing.T) {
	e, r, outdated := everyForm(t)
	var told []token.Key
	h := testHandler(t)
	h.Register = *r
	h.Outdated = func(credential token.Key, _ token.Digest) { told = append(told, credential) }
	present := func(text string) { ask(h, "/verify", http.Header{"X-Api-Key": {text}}) }
	for name, tok := range e.good {
		told = nil
		present(tok.Reveal())
		if want := outdated[name]; (len(told) == 1) != want {
			t.Errorf("%s: told of %v", name, told)
		}
	}
	told = nil
	for _, text := range e.bad {
		present(text)
	}
	for rec := range e.tokens.Tokens() {
		rec.Active = false
		e.tokens.Apply(&store.Batch{Put: []store.Record{rec}})
	}
	for _, tok := range e.good {
		present(tok.Reveal())
	}
	if len(told) > 0 {
		t.Errorf("told of %v, which was not good", told)
	}
}

// BenchmarkAskPeppers decides among a hundred thousand tokens, with none, one
// and two peppers, all tokens under the first.
func BenchmarkAskPeppers(b *testing.B) {
	const tokens = 100_000
	for n := range 3 {
		keys := ring(b, peppers[:n])
		index := &store.Index{}
		var batch store.Batch
		var texts []string
		for i := range tokens {
			tok := made(b, token.Formats{})
			batch.Put = append(batch.Put, kept(fmt.Sprint(i), tok, keys))
			if i < 1024 {
				texts = append(texts, tok.Reveal())
			}
		}
		index.Apply(&batch)
		r := &Register{Tokens: index, Keys: keys}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				released(r.Ask(question(texts[i%len(texts)]), noon))
			}
		})
	}
}
