package provision

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// world is a store's memory with a clock, and what manifests do to it.
type world struct {
	t       *testing.T
	index   store.Index
	now     time.Time
	last    uint64
	formats token.Formats

	settings Settings // beside formats and keys
	keys     token.Keyring
}

func newWorld(t *testing.T) *world {
	return &world{t: t, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
}

// apply applies a manifest whole, or returns its problems.
func (w *world) apply(text string) ([]store.Change, []Problem) {
	w.t.Helper()
	return w.applyIn("spool", text)
}

// applyIn does so in a drop directory.
func (w *world) applyIn(dir, text string) ([]store.Change, []Problem) {
	w.t.Helper()
	w.settings.Formats, w.settings.Keys = w.formats, w.keys
	m, problems := w.settings.decoder().Decode("x.yaml", []byte(text))
	if len(problems) > 0 {
		w.t.Fatalf("the manifest is wrong by itself: %v\n%s", problems, text)
	}
	draft := store.NewDraft(&w.index)
	plan, problems := Plan(m, draft, Env{
		Now: w.now, Random: rand.Reader, Source: store.Source{Dir: dir, Path: "x.yaml"},
		Formats: w.formats, Keys: w.keys, Seal: w.settings.Seal,
		ScopeSets: w.settings.ScopeSets, Rules: w.settings.Rules[dir], FirstIssues: w.settings.firstIssues(),
	})
	if len(problems) > 0 {
		return nil, problems
	}
	w.last++
	b := draft.Batch([]store.Entry{{}})
	for i := range b.Put {
		b.Put[i].Revision = store.Revision(w.last)
	}
	for i := range b.Marks {
		b.Marks[i].Revision = store.Revision(w.last)
	}
	if err := w.index.Check(&b); err != nil {
		w.t.Fatalf("the plan contradicts what it read: %v", err)
	}
	w.index.Apply(&b)
	return plan.Changes, nil
}

// must applies a manifest and returns what its entries did.
func (w *world) must(text string) string {
	w.t.Helper()
	changes, problems := w.apply(text)
	if len(problems) > 0 {
		w.t.Fatalf("refused: %v\n%s", problems, text)
	}
	results := make([]string, len(changes))
	for i, c := range changes {
		results[i] = c.Result.String()
	}
	return strings.Join(results, " ")
}

func (w *world) token(user, name string) store.Record {
	w.t.Helper()
	r, ok := w.index.ByName(store.Name{User: user, Name: name})
	if !ok {
		w.t.Fatalf("there is no token %s of %s", name, user)
	}
	return r
}

func (w *world) snapshot() string {
	var all []string
	for r := range w.index.Tokens() {
		all = append(all, fmt.Sprintf("%q %x", r.Name, store.AppendRecord(nil, &r)))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// Tokens of the tests, by number.
var (
	numbered = []string{
		"kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk=",
		"Lfh/02b1SbuZX/u1JFqegMEljMZaPGbsqJf3ALY0AGo=",
		"b765L5rYQO+vuQW+tWZZ4nYIp3/Qv2wk2Z27fNtmgOY=",
	}
	// sameKey is token 0 with another secret.
	sameKey = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubg="
)

func keyOf(text string) string {
	tok, err := token.Parse(text)
	if err != nil {
		panic(err)
	}
	return tok.Key.String()
}

func digestOf(text string) token.Digest {
	tok, err := token.Parse(text)
	if err != nil {
		panic(err)
	}
	return tok.Digest()
}

func entry(fields string) string { return "tokens:\n- {" + fields + "}\n" }

func tok(i int) string { return `token: "` + numbered[i] + `"` }

const anna = "user: anna, name: a"

// What each entry does to what is there; each row starts from anna's token a
// with token 0, made by a create.
func TestPlan(t *testing.T) {
	key0, key1 := "key: "+keyOf(numbered[0]), "key: "+keyOf(numbered[1])
	for name, tt := range map[string]struct {
		entry string
		want  string // results, or "refused: " and a part of the text
	}{
		"create another":                     {"action: create, user: anna, name: b, " + tok(1), "created"},
		"create the same again":              {"action: create, " + anna + ", " + tok(0), "unchanged"},
		"create the same with other fields":  {"action: create, " + anna + ", description: other, expires_in: 1d, " + tok(0), "unchanged"},
		"create with another secret":         {"action: create, " + anna + ", " + tok(1), "refused: another secret"},
		"create with the key's other secret": {"action: create, " + anna + ", token: \"" + sameKey + "\"", "refused: another secret"},
		"create with a taken key":            {"action: create, user: bob, name: b, " + tok(0), "refused: key is taken"},
		"create generates":                   {"action: create, user: bob, name: b, generate: true", "created"},
		"create generates what is there":     {"action: create, " + anna + ", generate: true", "unchanged"},

		"ensure another":                  {"action: ensure, user: anna, name: b, " + tok(1), "created"},
		"ensure the same again":           {"action: ensure, " + anna + ", " + tok(0), "unchanged"},
		"ensure corrects":                 {"action: ensure, " + anna + ", description: other", "updated"},
		"ensure replaces the secret":      {"action: ensure, " + anna + ", " + tok(1), "updated"},
		"ensure generates what is there":  {"action: ensure, " + anna + ", generate: true", "unchanged"},
		"ensure by key":                   {"action: ensure, " + key0 + ", active: false", "updated"},
		"ensure by an unknown key":        {"action: ensure, " + key1 + ", active: false", "refused: no token has this key"},
		"ensure without a source":         {"action: ensure, user: bob, name: b, active: false", "refused: nothing says what it is"},
		"ensure with a taken key":         {"action: ensure, user: bob, name: b, " + tok(0), "refused: key is taken"},
		"ensure by key and another name":  {"action: ensure, user: bob, name: b, " + key0 + ", active: false", "refused: do not mean the same"},
		"ensure by another key and name":  {"action: ensure, " + anna + ", " + key1 + ", active: false", "refused: do not mean the same"},
		"ensure by key and the same name": {"action: ensure, " + anna + ", " + key0 + ", active: false", "updated"},

		"ensure by another key beside a source": {"action: ensure, " + anna + ", " + key1 + ", generate: true", "refused: do not mean the same"},
		"regenerate by another key":             {"action: regenerate, " + anna + ", " + key1 + ", generate: true", "refused: do not mean the same"},

		"update":                       {"action: update, " + anna + ", set: {description: x}", "updated"},
		"update to what it is":         {"action: update, " + anna + ", set: {active: true}", "unchanged"},
		"update by key":                {"action: update, " + key0 + ", set: {active: false}", "updated"},
		"update what is not there":     {"action: update, user: bob, name: b, set: {active: false}", "refused: no such token"},
		"rename":                       {"action: update, " + anna + ", set: {name: z}", "updated"},
		"rename to its own name":       {"action: update, " + anna + ", set: {user: anna, name: a}", "unchanged"},
		"rename to what is taken":      {"action: update, " + anna + ", set: {name: taken}", "refused: another token of the new name"},
		"delete":                       {"action: delete, " + anna, "deleted"},
		"delete by key":                {"action: delete, " + key0, "deleted"},
		"delete what is not there":     {"action: delete, user: bob, name: b", "unchanged"},
		"delete by another key":        {"action: delete, " + anna + ", " + key1, "refused: do not mean the same"},
		"enable what is enabled":       {"action: enable, " + anna, "unchanged"},
		"enable what is not there":     {"action: enable, " + key1, "refused: no such token"},
		"disable":                      {"action: disable, " + anna, "updated"},
		"disable what is not there":    {"action: disable, " + key1, "refused: no such token"},
		"regenerate":                   {"action: regenerate, " + anna, "updated"},
		"regenerate to another":        {"action: regenerate, " + anna + ", " + tok(1), "updated"},
		"regenerate to what it is":     {"action: regenerate, " + anna + ", " + tok(0), "unchanged"},
		"regenerate to a taken key":    {"action: regenerate, user: anna, name: taken, " + tok(0), "refused: key is taken"},
		"regenerate what is not there": {"action: regenerate, user: bob, name: b", "refused: no such token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(entry("action: create, "+anna+", "+tok(0)) + "- {action: create, user: anna, name: taken, " + tok(2) + "}\n")
			before := w.snapshot()
			changes, problems := w.apply(entry(tt.entry))
			var got string
			if len(problems) > 0 {
				got = "refused: " + problems[0].Text
				if want, ok := strings.CutPrefix(tt.want, "refused: "); ok && strings.Contains(got, want) {
					got = tt.want
				}
			} else {
				got = changes[0].Result.String()
			}
			if got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.entry, got, tt.want)
			}
			if changed := w.snapshot() != before; changed != (tt.want == "created" || tt.want == "updated" || tt.want == "deleted") {
				t.Errorf("%s, and the store has changed: %v", got, changed)
			}
		})
	}
}

// A patch is evaluated again when it is dropped again: it restarts no
// lifetime, undoes no disable, makes no second secret.
func TestDropAgain(t *testing.T) {
	w := newWorld(t)
	manifest := entry("action: ensure, "+anna+", expires_in: 30d, description: d, "+tok(0)) +
		"- {action: ensure, user: anna, name: g, generate: true, expires_in: 1h}\n"
	if got := w.must(manifest); got != "created created" {
		t.Fatal(got)
	}
	w.must(entry("action: disable, " + anna))
	before := w.snapshot()
	w.now = w.now.Add(time.Hour)
	if got := w.must(manifest); got != "unchanged unchanged" {
		t.Error(got)
	}
	if w.snapshot() != before {
		t.Error("dropping it again changed the store")
	}
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", expires_in: 30d, " + tok(0)))
	if got, want := w.token("anna", "a").ExpiresAt, w.now.Add(30*24*time.Hour); !got.Equal(want) {
		t.Errorf("expires_in counts to %v, want %v", got, want)
	}
	w.now = w.now.Add(time.Hour)
	w.must(entry("action: update, " + anna + ", set: {expires_in: 1d}"))
	if got, want := w.token("anna", "a").ExpiresAt, w.now.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("an update counts to %v, want from applying, %v", got, want)
	}
	w.must(entry("action: update, " + anna + ", set: {expires_at: never}"))
	if got := w.token("anna", "a").ExpiresAt; !got.IsZero() {
		t.Errorf("never is %v", got)
	}
	w.must(entry("action: update, " + anna + ", set: {expires_at: 2026-05-01}"))
	if got, want := w.token("anna", "a").ExpiresAt, time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("a date is good through %v, want %v", got, want)
	}
	w.must(entry("action: create, user: anna, name: i, issued_at: 2026-01-01, expires_in: 90d, " + tok(1)))
	if got, want := w.token("anna", "i").ExpiresAt, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("with issued_at, a lifetime ends %v, want %v", got, want)
	}
	w.must(entry("action: ensure, user: anna, name: i, expires_in: 10d, " + tok(1)))
	if got, want := w.token("anna", "i").ExpiresAt, time.Date(2026, 1, 11, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("an ensure counts to %v, want from issued_at, %v", got, want)
	}
}

// No time is stored that cannot be written.
func TestExpiryOutOfRange(t *testing.T) {
	w := newWorld(t)
	for _, fields := range []string{"issued_at: 9999-12-31, expires_in: 10d", "expires_at: 9999-12-31"} {
		_, problems := w.apply(entry("action: create, " + anna + ", " + fields + ", " + tok(0)))
		if refused := len(problems) == 1; refused != strings.Contains(fields, "expires_in") {
			t.Errorf("%s: %v", fields, problems)
		}
	}
	if got := w.token("anna", "a").ExpiresAt.Year(); got != 9999 {
		t.Errorf("the last day ends in the year %d", got)
	}
}

// A generated token can be given its key, so that an ensure that states one is
// true when it is dropped again.
func TestEnsureGeneratesUnderAKey(t *testing.T) {
	w := newWorld(t)
	manifest := entry("action: ensure, " + anna + ", generate: true, key: " + keyOf(numbered[0]))
	if got := w.must(manifest) + " " + w.must(manifest); got != "created unchanged" {
		t.Error(got)
	}
	if r := w.token("anna", "a"); r.Key().String() != keyOf(numbered[0]) {
		t.Errorf("key %s", r.Key())
	}
}

func TestRegenerateToWhatItIsCorrectsItsTime(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: regenerate, " + anna + ", issued_at: 2026-01-01, expires_in: 9d, " + tok(0)))
	r := w.token("anna", "a")
	if want := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC); !r.ExpiresAt.Equal(want) || r.Generation != 1 {
		t.Errorf("expires %v, want %v; generation %d", r.ExpiresAt, want, r.Generation)
	}
}

func TestRegenerateKeepsWhatItDoesNotState(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", description: d, expires_in: 30d, active: false, " + tok(0)))
	old := w.token("anna", "a")
	w.now = w.now.Add(time.Hour)
	w.must(entry("action: regenerate, " + anna))
	r := w.token("anna", "a")
	if r.Key() != old.Key() || r.Credentials[0].Digest.Equal(old.Credentials[0].Digest) {
		t.Error("a generated secret must be new under the old key")
	}
	if r.Generation != 2 || !r.IssuedAt.Equal(w.now) || r.Description != "d" || r.Active || !r.ExpiresAt.Equal(old.ExpiresAt) || r.CreatedAt != old.CreatedAt {
		t.Errorf("regenerated to %+v", r)
	}
	w.must(entry("action: regenerate, " + anna + ", expires_in: 1d, " + tok(1)))
	r = w.token("anna", "a")
	if r.Key().String() != keyOf(numbered[1]) || r.Generation != 3 || !r.ExpiresAt.Equal(w.now.Add(24*time.Hour)) {
		t.Errorf("regenerated with a token to %+v", r)
	}
	if _, ok := w.index.ByKey(old.Key()); ok {
		t.Error("the replaced key still selects a token")
	}
}

func TestRenameKeepsTheToken(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	old := w.token("anna", "a")
	w.must(entry("action: update, " + anna + ", set: {user: bob, name: b}"))
	r := w.token("bob", "b")
	if r.Key() != old.Key() || r.Source != old.Source || r.Generation != 1 {
		t.Errorf("renamed to %+v", r)
	}
	if _, ok := w.index.ByName(old.Name); ok {
		t.Error("the old name still selects a token")
	}
}

// The unit is the patch: a later entry sees an earlier one, and one problem
// leaves nothing of any.
func TestPatchIsTheUnit(t *testing.T) {
	w := newWorld(t)
	if got := w.must(entry("action: create, "+anna+", "+tok(0)) +
		"- {action: delete, " + anna + "}\n" +
		"- {action: create, user: bob, name: b, " + tok(0) + "}\n" +
		"- {action: update, user: bob, name: b, set: {name: c}}\n" +
		"- {action: create, user: bob, name: b, " + tok(1) + "}\n"); got != "created deleted created updated created" {
		t.Error(got)
	}
	before := w.snapshot()
	_, problems := w.apply(entry("action: create, user: eve, name: e, "+tok(2)) +
		"- {action: enable, user: nobody, name: n}\n" +
		"- {action: create, user: eve, name: f, " + tok(0) + "}\n")
	if len(problems) != 2 || problems[0].Pos.Line != 3 || problems[1].Pos.Line != 4 {
		t.Errorf("problems = %v, want those of lines 3 and 4", problems)
	}
	if w.snapshot() != before {
		t.Error("a part of a refused patch was applied")
	}
}

// As many problems are told of a plan as of a text, and the rest are counted:
// they all have to fit into a ledger entry.
func TestManyRefusals(t *testing.T) {
	for _, n := range []int{maxProblems, maxProblems + 1, maxEntries} {
		w := newWorld(t)
		_, problems := w.apply("tokens:\n" + manyLines(n, "- {action: enable, user: nobody, name: n%d}\n"))
		if want := min(n, maxProblems+1); len(problems) != want {
			t.Errorf("%d problems of %d are told, want %d", len(problems), n, want)
		}
		last := problems[len(problems)-1]
		if want := fmt.Sprintf("and %d more", n-maxProblems); n > maxProblems && last.Text != want {
			t.Errorf("the last line of %d is %q, want %q", n, last.Text, want)
		}
	}
}

// scans counts how often every token has to be looked at.
type scans struct {
	store.Reader

	n int
}

func (s *scans) OfUser(user string) []store.Record {
	s.n++
	return s.Reader.OfUser(user)
}

func (s *scans) NamesOf(users map[string]bool) map[string][]string {
	s.n++
	return s.Reader.NamesOf(users)
}

// However many entries are about all tokens of a user, every token is looked at
// once; and a later entry still sees an earlier one.
func TestAllOfManyUsers(t *testing.T) {
	w := newWorld(t)
	w.must(entries("action: create, user: u0, name: a, "+tok(0), "action: create, user: u1, name: a, "+tok(1)))
	steps := []string{"action: update, user: u0, name: a, set: {user: u1, name: b}"}
	for i := range 10 {
		steps = append(steps, fmt.Sprintf("action: delete, user: u%d, all: true, expect: %d", i, map[int]int{1: 2}[i]))
	}
	m, problems := Decoder{}.Decode("x.yaml", []byte(entries(steps...)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	base := &scans{Reader: &w.index}
	draft := store.NewDraft(base)
	if _, problems := Plan(m, draft, Env{Now: w.now}); len(problems) > 0 || base.n != 1 {
		t.Errorf("%d looks at every token, %v", base.n, problems)
	}
	if b := draft.Batch(nil); len(b.Delete) != 2 || len(b.Put) != 0 {
		t.Errorf("%d deleted, %d put", len(b.Delete), len(b.Put))
	}
}
