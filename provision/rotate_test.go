package provision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// spelled is a token's credentials, by the numbers of the tests' tokens: those
// in grace with a ~, others by "?".
func (w *world) spelled(user, name string) string {
	w.t.Helper()
	var parts []string
	for _, c := range w.token(user, name).Credentials {
		part := "?"
		for i, text := range numbered {
			if c.Key.String() == keyOf(text) && c.Digest.Equal(digestOf(text)) {
				part = fmt.Sprint(i)
			}
		}
		if !c.GoodUntil.IsZero() {
			part += "~"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func creds(numbers ...int) string {
	var parts []string
	for _, i := range numbers {
		parts = append(parts, "{"+tok(i)+"}")
	}
	return "credentials: [" + strings.Join(parts, ", ") + "]"
}

// Rotation without downtime, each of its three states re-droppable, and back.
func TestRotate(t *testing.T) {
	w := newWorld(t)
	steps := []struct {
		credentials string
		spelled     string
		generation  uint64
	}{
		{creds(0), "0", 1},
		{creds(0, 1), "0 1", 2},
		{creds(1), "1", 2},
		{creds(1, 0), "1 0", 3},
		{creds(0, 1), "0 1", 3}, // the token's key is the first one's
		{creds(2), "2", 4},
	}
	for i, step := range steps {
		manifest := entry("action: ensure, " + anna + ", " + step.credentials)
		want := "updated"
		if i == 0 {
			want = "created"
		}
		if got := w.must(manifest); got != want {
			t.Errorf("step %d: %s, want %s", i, got, want)
		}
		if got := w.must(manifest); got != "unchanged" {
			t.Errorf("step %d dropped again: %s", i, got)
		}
		if got := w.spelled("anna", "a"); got != step.spelled {
			t.Errorf("step %d: credentials %s, want %s", i, got, step.spelled)
		}
		if got := w.token("anna", "a").Generation; got != step.generation {
			t.Errorf("step %d: generation %d, want %d", i, got, step.generation)
		}
	}
}

func TestEnsureGeneratesOnlyWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: ensure, " + anna + ", " + tok(0)))
	both := entry("action: ensure, " + anna + ", credentials: [{" + tok(0) + "}, {generate: true}]")
	if got := w.must(both); got != "updated" || w.spelled("anna", "a") != "0 ?" {
		t.Errorf("%s to %s", got, w.spelled("anna", "a"))
	}
	if got := w.must(both); got != "unchanged" {
		t.Errorf("dropped again: %s", got)
	}
	w.must(entry("action: ensure, " + anna + ", credentials: [{generate: true}]"))
	if left := w.token("anna", "a").Credentials; len(left) != 1 {
		t.Errorf("%d credentials are left", len(left))
	}
}

func TestGrace(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", expires_in: 10d, " + tok(0)))
	w.must(entry("action: regenerate, " + anna + ", grace: 2d, " + tok(1)))
	if got := w.spelled("anna", "a"); got != "1 0~" {
		t.Fatalf("credentials %s", got)
	}
	if got, want := w.token("anna", "a").Credentials[1].GoodUntil, w.now.Add(48*time.Hour); !got.Equal(want) {
		t.Errorf("good until %v, want %v", got, want)
	}
	if _, ok := w.index.ByKey(w.token("anna", "a").Credentials[1].Key); !ok {
		t.Error("the key in grace does not select the token")
	}
	w.must(entry("action: regenerate, " + anna + ", grace: 30d, " + tok(2)))
	if got := w.spelled("anna", "a"); got != "2 1~" {
		t.Errorf("credentials %s; a second regeneration ends the first's grace", got)
	}
	if got, want := w.token("anna", "a").Credentials[1].GoodUntil, w.token("anna", "a").ExpiresAt; !got.Equal(want) {
		t.Errorf("good until %v, past the expiry %v", got, want)
	}
	w.must(entry("action: update, " + anna + ", set: {expires_in: 1h}"))
	w.must(entry("action: update, " + anna + ", set: {expires_in: 10d}"))
	if got, want := w.token("anna", "a").Credentials[1].GoodUntil, w.now.Add(time.Hour); !got.Equal(want) {
		t.Errorf("good until %v, past what the expiry was for a while, %v", got, want)
	}
	w.must(entry("action: regenerate, " + anna))
	if got := w.spelled("anna", "a"); got != "?" {
		t.Errorf("credentials %s without a grace", got)
	}
	w.must(entry("action: ensure, " + anna + ", grace: 1d, " + tok(0)))
	if got := w.spelled("anna", "a"); got != "0 ?~" {
		t.Errorf("an ensure with grace leaves %s", got)
	}
	if _, problems := w.apply(entry("action: ensure, " + anna + ", grace: 1d, " + creds(1, 2))); len(problems) != 1 {
		t.Errorf("two new credentials and one in grace: %v", problems)
	}
}

// A generated secret keeps its key, in grace too: both have one key.
func TestGraceUnderOneKey(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: regenerate, " + anna + ", grace: 1h"))
	r := w.token("anna", "a")
	if len(r.Credentials) != 2 || r.Credentials[0].Key != r.Credentials[1].Key || r.Credentials[0].Digest.Equal(r.Credentials[1].Digest) {
		t.Errorf("credentials %+v", r.Credentials)
	}
}

func TestRegenerateOnceAGeneration(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	for _, step := range []struct {
		fields string
		want   string
		at     uint64
	}{
		{"generation: 1", "unchanged", 1},
		{"generation: 5", "updated", 5},
		{"generation: 5", "unchanged", 5},
		{"generation: 4", "unchanged", 5},
		{"older_than: 1h", "unchanged", 5},
	} {
		if got := w.must(entry("action: regenerate, " + anna + ", " + step.fields)); got != step.want {
			t.Errorf("%s: %s, want %s", step.fields, got, step.want)
		}
		if got := w.token("anna", "a").Generation; got != step.at {
			t.Errorf("%s: generation %d, want %d", step.fields, got, step.at)
		}
	}
	w.now = w.now.Add(time.Hour)
	if got := w.must(entry("action: regenerate, " + anna + ", older_than: 1h")); got != "unchanged" {
		t.Errorf("exactly an hour old: %s", got)
	}
	w.now = w.now.Add(time.Second)
	if got := w.must(entry("action: regenerate, " + anna + ", older_than: 1h")); got != "updated" {
		t.Errorf("older than an hour: %s", got)
	}
}

// Revoked is for ever, and for every way to make a credential.
func TestRevoke(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", " + tok(0)))
	w.must(entry("action: regenerate, " + anna + ", grace: 1d, " + tok(1)))
	if got := w.must(entry("action: revoke, " + anna)); got != "revoked" {
		t.Errorf("revoke: %s", got)
	}
	if got := w.must(entry("action: revoke, " + anna)); got != "unchanged" {
		t.Errorf("revoked again: %s", got)
	}
	if got := w.must(entry("action: revoke, key: " + keyOf(numbered[2]))); got != "revoked" {
		t.Errorf("revoke of what is not there: %s", got)
	}
	if got := w.must(entry("action: revoke, key: " + keyOf(numbered[2]))); got != "unchanged" {
		t.Errorf("revoke of it again: %s", got)
	}
	w.must(entry("action: create, user: bob, name: b, generate: true"))
	for i := range numbered {
		for _, e := range []string{
			"action: create, user: eve, name: e, " + tok(i),
			"action: ensure, user: eve, name: e, " + tok(i),
			"action: ensure, user: bob, name: b, " + tok(i),
			"action: regenerate, user: bob, name: b, " + tok(i),
			"action: ensure, user: bob, name: b, credentials: [{generate: true}, {" + tok(i) + "}]",
		} {
			if _, problems := w.apply(entry(e)); len(problems) != 1 || !strings.Contains(problems[0].Text, "revoked") {
				t.Errorf("%s: %v", e, problems)
			}
		}
	}
}

func TestCopy(t *testing.T) {
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", description: d, type: custom, scopes: [x, 'y:*'], allowed_ips: [10.0.0.0/8], audience: admin, labels: {team: t}, active: false, expires_in: 10d, " + tok(0)))
	w.now = w.now.Add(24 * time.Hour)
	copies := entry("action: copy, user: bob, name: b, from: {" + anna + "}, description: other")
	if got := w.must(copies); got != "created" {
		t.Fatal(got)
	}
	from, r := w.token("anna", "a"), w.token("bob", "b")
	if r.Type != store.Custom || len(r.Scopes) != 2 || len(r.AllowedIPs) != 1 || r.Audience != "admin" || len(r.Labels) != 1 || r.Active || !r.ExpiresAt.Equal(from.ExpiresAt) {
		t.Errorf("copied to %+v", r)
	}
	if r.Description != "other" || r.Key() == from.Key() || !r.IssuedAt.Equal(w.now) {
		t.Errorf("a copy has a secret of its own, and what the entry states: %+v", r)
	}
	if got := w.must(copies); got != "unchanged" {
		t.Errorf("copied again: %s", got)
	}
	if _, problems := w.apply(entry("action: copy, user: bob, name: c, from: {user: nobody, name: n}")); len(problems) != 1 {
		t.Errorf("a copy of nothing: %v", problems)
	}
}

func TestSeveralTokens(t *testing.T) {
	w := newWorld(t)
	for i := range numbered {
		w.must(entry(fmt.Sprintf("action: create, user: anna, name: n%d, %s", i, tok(i))))
	}
	w.must(entry("action: create, user: bob, name: b, generate: true"))
	keys := "key: [" + keyOf(numbered[0]) + ", " + keyOf(numbered[2]) + "]"
	if got := w.must(entry("action: disable, " + keys + ", expect: 2")); got != "updated updated" {
		t.Errorf("a list of keys: %s", got)
	}
	if got := w.must(entry("action: update, user: anna, all: true, set: {description: d}")); got != "updated updated updated" {
		t.Errorf("all of a user: %s", got)
	}
	if _, problems := w.apply(entry("action: delete, user: anna, all: true, expect: 2")); len(problems) != 1 || !strings.Contains(problems[0].Text, "3") {
		t.Errorf("a guard that does not hold: %v", problems)
	}
	if got := w.must(entry("action: delete, user: anna, all: true, expect: 3")); got != "deleted deleted deleted" {
		t.Errorf("delete all: %s", got)
	}
	if _, problems := w.apply(entry("action: disable, user: anna, all: true")); len(problems) != 1 || problems[0].Text != notThere {
		t.Errorf("all of a user without tokens: %v", problems)
	}
	for _, nothing := range []string{"disable, user: anna, all: true, expect: 0", "delete, user: anna, all: true"} {
		if got := w.must(entry("action: " + nothing)); got != "" {
			t.Errorf("%s: %s", nothing, got)
		}
	}
	if got := w.must(entry("action: delete, " + keys)); got != "unchanged unchanged" {
		t.Errorf("delete of what is gone: %s", got)
	}
	if _, problems := w.apply(entry("action: enable, " + keys)); len(problems) != 1 {
		t.Errorf("enable of what is gone: %v", problems)
	}
	w.token("bob", "b")
}

func TestTypes(t *testing.T) {
	for fields, want := range map[string]string{
		"scopes: []":                        "scopes",
		"type: read-only, scopes: [x]":      "custom",
		"type: custom, scopes: [], name: b": "scopes",
		"labels: {x: " + label(256) + "}":   "",
		"labels: {" + manyLabels(16) + "}":  "3 KiB",
		"scopes: [], scope_sets: [some]":    "",
		"scopes: [], scope_sets: [huge]":    "3 KiB", // expanded
	} {
		w := newWorld(t)
		w.settings.ScopeSets = map[string][]string{"some": {"y"}, "huge": manyScopes(32)}
		w.must(entry("action: create, " + anna + ", type: custom, scopes: [x], " + tok(0)))
		_, problems := w.tryUpdate(fields)
		if (len(problems) > 0) != (want != "") || want != "" && !strings.Contains(problems[0].Text, want) {
			t.Errorf("%s: %v", fields, problems)
		}
	}
	w := newWorld(t)
	w.must(entry("action: create, " + anna + ", type: custom, scopes: [x], " + tok(0)))
	w.must(entry("action: update, " + anna + ", set: {type: full-access}"))
	if r := w.token("anna", "a"); r.Scopes != nil || r.ScopeSets != nil {
		t.Errorf("a full-access token has scopes: %+v", r)
	}
}

// tryUpdate applies an update unless the manifest is wrong by itself, which
// counts as a refusal too.
func (w *world) tryUpdate(set string) ([]store.Change, []Problem) {
	text := entry("action: update, " + anna + ", set: {" + set + "}")
	if _, problems := (Decoder{}).Decode("x.yaml", []byte(text)); len(problems) > 0 {
		return nil, problems
	}
	return w.apply(text)
}

func manyScopes(n int) []string {
	var scopes []string
	for i := range n {
		scopes = append(scopes, fmt.Sprintf("%0100d", i))
	}
	return scopes
}

func label(n int) string { return strings.Repeat("v", n) }

func manyLabels(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("k%d: %s", i, label(256)))
	}
	return strings.Join(parts, ", ")
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	block := "users:\n- {user: 'ci-*', blocked: true, reason: left}\n- {user: ci-good, blocked: false}\n"
	if got := w.must(block); got != "updated updated" {
		t.Errorf("blocked: %s", got)
	}
	if got := w.must(block); got != "unchanged unchanged" {
		t.Errorf("blocked again: %s", got)
	}
	w.must("tokens:\n- {action: create, user: ci-bad, name: n, " + tok(0) + "}\n- {action: create, user: ci-good, name: n, " + tok(1) + "}\n")
	for i, want := range []bool{true, false} {
		rec, _ := w.index.ByName(store.Name{User: []string{"ci-bad", "ci-good"}[i], Name: "n"})
		var found store.Found
		if w.index.Lookup(rec.Key(), &found); found.Rule.Blocked != want {
			t.Errorf("token %d is blocked: %v", i, found.Rule)
		}
	}
}

func TestOnce(t *testing.T) {
	b := newBench(t)
	first := "once: rotate-1\n" + regenerates("a")
	if got := b.outcomes(patch(1, creates("a")), patch(2, first), patch(3, first)); got != "installed installed skipped" {
		t.Error(got)
	}
	b.reopen()
	if got := b.outcomes(patch(4, first), patch(5, first+"# other\n"), patch(6, "once: rotate-2\n"+regenerates("nothing"))); got != "skipped failed failed" {
		t.Error(got)
	}
	if got := b.outcomes(patch(7, "once: rotate-2\n"+regenerates("a"))); got != "installed" {
		t.Errorf("a name that only failed is used up: %s", got)
	}
	if b.generation("a") != 3 {
		t.Errorf("generation %d, want 3", b.generation("a"))
	}
}
