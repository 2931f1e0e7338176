package provision

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// policed is a world with a drop directory "ci" that has a policy. The other
// one, "spool", may do everything.
func policed(t *testing.T, p Policy) *world {
	w := newWorld(t)
	w.settings.Rules = map[string]Rules{"ci": {Policy: &p}}
	w.settings.ScopeSets = map[string][]string{
		"reading": {"api::article.find", "api::article.findOne"},
		"writing": {"api::article.*", "api::page.create"},
	}
	return w
}

// in tells what a manifest in the directory ci does: results, or "refused: "
// with the texts of its problems.
func (w *world) in(text string) string {
	w.t.Helper()
	changes, problems := w.applyIn("ci", text)
	var words []string
	for _, p := range problems {
		words = append(words, p.Text)
	}
	if len(words) > 0 {
		return "refused: " + strings.Join(words, " | ")
	}
	for _, c := range changes {
		words = append(words, c.Result.String())
	}
	return strings.Join(words, " ")
}

// attack is what a manifest in ci tries, over what a manifest in spool has made.
type attack struct {
	name     string
	policy   Policy
	have     []string // entries
	entries  []string
	want     string // results, or "refused: " and a part of the texts
	same     bool   // the same is said if nothing is there
	manifest string // in the place of entries
}

func (a *attack) run(t *testing.T) {
	w := policed(t, a.policy)
	if len(a.have) > 0 {
		w.must(entries(a.have...))
	}
	text := a.manifest
	if text == "" {
		text = entries(a.entries...)
	}
	before := w.all()
	got := w.in(text)
	if want, ok := strings.CutPrefix(a.want, "refused: "); ok != strings.HasPrefix(got, "refused: ") || ok && !strings.Contains(got, want) || !ok && got != want {
		t.Errorf("%s\n got %s\nwant %s", text, got, a.want)
	}
	for _, secret := range []string{"anna", "root", "hidden", keyOf(numbered[0])} {
		if strings.Contains(got, secret) {
			t.Errorf("the reason shows a value of the manifest: %s", got)
		}
	}
	inert := strings.Trim(strings.ReplaceAll(got, "unchanged", ""), " ") == ""
	if (strings.HasPrefix(got, "refused: ") || inert) && w.all() != before {
		t.Errorf("%s, and the store has changed", got)
	}
	if a.same {
		if elsewhere := policed(t, a.policy).in(text); elsewhere != got {
			t.Errorf("%s\nover what is hidden: %s\nover nothing:        %s", text, got, elsewhere)
		}
	}
}

// all is all that the store holds.
func (w *world) all() string {
	var marks []string
	for m := range w.index.Marks() {
		marks = append(marks, string(rune('0'+m.Kind))+m.Key+m.Value)
	}
	slices.Sort(marks)
	return w.snapshot() + strings.Join(marks, "\n")
}

// Of the tests: a token that lies outside of the policy that only permits users
// ci-*, with token 0.
const rootHas = "action: create, user: root, name: hidden, "

var (
	byUsers = Policy{Users: []string{"ci-*"}}
	key0    = "key: " + keyOf(numbered[0])
	key1    = "key: " + keyOf(numbered[1])
)

const thereIsNone = "refused: there is no such token"

// Policies, invariants 1 and 2.
func TestPolicyOnUsers(t *testing.T) {
	root := rootHas + tok(0)
	for _, a := range []attack{
		{name: "permitted", entries: []string{"action: create, user: ci-a, name: n, " + tok(1)}, want: "created"},
		{name: "another user", entries: []string{"action: create, user: root, name: n, " + tok(1)}, want: "refused: policy: users: ", same: true},
		{name: "a star crosses no slash", entries: []string{"action: create, user: ci-a/b, name: n, " + tok(1)}, want: "refused: policy: users: "},
		{name: "by key", have: []string{root}, entries: []string{"action: update, " + key0 + ", set: {active: false}"}, want: thereIsNone, same: true},
		{name: "by name", have: []string{root}, entries: []string{"action: update, user: root, name: hidden, set: {active: false}"}, want: thereIsNone, same: true},
		{name: "enable", have: []string{root + ", active: false"}, entries: []string{"action: enable, " + key0}, want: thereIsNone, same: true},
		{name: "disable", have: []string{root}, entries: []string{"action: disable, " + key0}, want: thereIsNone, same: true},
		{name: "regenerate", have: []string{root}, entries: []string{"action: regenerate, " + key0}, want: thereIsNone, same: true},
		{name: "delete", have: []string{root}, entries: []string{"action: delete, " + key0}, want: "unchanged", same: true},
		{name: "delete by name", have: []string{root}, entries: []string{"action: delete, user: root, name: hidden"}, want: "unchanged", same: true},
		{name: "delete by both", have: []string{root}, entries: []string{"action: delete, user: root, name: hidden, " + key0}, want: "unchanged", same: true},
		{name: "copy from", have: []string{root}, entries: []string{"action: copy, user: ci-a, name: n, from: {" + key0 + "}"}, want: "refused: there is no token to copy from", same: true},
		{name: "copy from by name", have: []string{root}, entries: []string{"action: copy, user: ci-a, name: n, from: {user: root, name: hidden}"}, want: "refused: there is no token to copy from", same: true},
		{name: "copy to", have: []string{"action: create, user: ci-a, name: n, " + tok(0)}, entries: []string{"action: copy, user: root, name: n, from: {" + key0 + "}"}, want: "refused: policy: users: "},
		{name: "copy to what is there", have: []string{root, "action: create, user: ci-a, name: n, " + tok(1)}, entries: []string{"action: copy, user: root, name: hidden, from: {" + key1 + "}"}, want: "refused: policy: users: "},
		{name: "ensure by key", have: []string{root}, entries: []string{"action: ensure, " + key0 + ", active: false"}, want: "refused: no token has this key", same: true},
		{name: "ensure by name", have: []string{root}, entries: []string{"action: ensure, user: root, name: hidden, active: false"}, want: "refused: the token is not there", same: true},
		{name: "ensure with its secret", have: []string{root}, entries: []string{"action: ensure, user: root, name: hidden, active: false, " + tok(0)}, want: "refused: policy: users: ", same: true},
		{name: "ensure with another secret", have: []string{root}, entries: []string{"action: ensure, user: root, name: hidden, " + tok(1)}, want: "refused: policy: users: ", same: true},
		{name: "create what is there", have: []string{root}, entries: []string{"action: create, user: root, name: hidden, " + tok(0)}, want: "refused: policy: users: ", same: true},
		{name: "create its key", have: []string{root}, entries: []string{"action: create, user: ci-a, name: n, " + tok(0)}, want: "refused: key is taken"},
		{name: "all", have: []string{root}, entries: []string{"action: delete, user: root, all: true"}, want: "", same: true},
		{name: "all, expecting some", have: []string{root}, entries: []string{"action: delete, user: root, all: true, expect: 1"}, want: "refused: selects 0 tokens", same: true},
		{name: "update all", have: []string{root}, entries: []string{"action: update, user: root, all: true, set: {active: false}"}, want: "refused: there is no such token", same: true},
		{
			name: "a list of own and foreign keys", have: []string{root, "action: create, user: ci-a, name: n, " + tok(1)},
			entries: []string{"action: disable, key: [" + keyOf(numbered[1]) + ", " + keyOf(numbered[0]) + "]"}, want: thereIsNone,
		},
		{
			name: "a list to delete", have: []string{root, "action: create, user: ci-a, name: n, " + tok(1)},
			entries: []string{"action: delete, expect: 1, key: [" + keyOf(numbered[1]) + ", " + keyOf(numbered[0]) + "]"}, want: "unchanged deleted",
		},
		{name: "set user", have: []string{"action: create, user: ci-a, name: n, " + tok(0)}, entries: []string{"action: update, " + key0 + ", set: {user: root}"}, want: "refused: policy: users: "},
		{name: "set user to what is there", have: []string{root, "action: create, user: ci-a, name: n, " + tok(1)}, entries: []string{"action: update, " + key1 + ", set: {user: root, name: hidden}"}, want: "refused: policy: users: "},
		{name: "take it over", have: []string{root}, entries: []string{"action: update, " + key0 + ", set: {user: ci-a}"}, want: thereIsNone, same: true},
		{
			name: "two steps", have: []string{root},
			entries: []string{"action: update, " + key0 + ", set: {user: ci-a}", "action: regenerate, user: ci-a, name: hidden"}, want: thereIsNone, same: true,
		},
		{
			name: "there and back", have: []string{"action: create, user: ci-a, name: n, " + tok(0)},
			entries: []string{"action: update, " + key0 + ", set: {user: root}", "action: update, " + key0 + ", set: {user: ci-a}"}, want: "refused: policy: users: ",
		},
	} {
		a.policy = byUsers
		t.Run(a.name, a.run)
	}
}

// What has another type is not there, and stays it: not even a copy or an
// ensure brings it in.
func TestPolicyOnTypes(t *testing.T) {
	full := "action: create, user: u, name: full, " + tok(0)
	reading := "action: create, user: u, name: n, type: read-only, " + tok(1)
	for _, a := range []attack{
		{name: "permitted", entries: []string{reading}, want: "created"},
		{name: "the default type", entries: []string{full}, want: "refused: policy: types: "},
		{name: "update", have: []string{reading}, entries: []string{"action: update, " + key1 + ", set: {type: full-access}"}, want: "refused: policy: types: "},
		{name: "ensure", have: []string{reading}, entries: []string{"action: ensure, user: u, name: n, type: full-access"}, want: "refused: policy: types: "},
		{name: "copy from", have: []string{full}, entries: []string{"action: copy, user: u, name: n, from: {" + key0 + "}, type: read-only"}, want: "refused: there is no token to copy from", same: true},
		{name: "copy as", have: []string{reading}, entries: []string{"action: copy, user: u, name: m, from: {" + key1 + "}, type: full-access"}, want: "refused: policy: types: "},
		{name: "tame another's", have: []string{full}, entries: []string{"action: update, " + key0 + ", set: {type: read-only}"}, want: thereIsNone, same: true},
		{name: "ensure over another's", have: []string{full}, entries: []string{"action: ensure, user: u, name: full, type: read-only, " + tok(1)}, want: "refused: key is taken"},
		{name: "ensure over another's with its secret", have: []string{full}, entries: []string{"action: ensure, user: u, name: full, type: read-only, " + tok(0)}, want: "refused: key is taken"},
		{name: "ensure over another's without", have: []string{full}, entries: []string{"action: ensure, user: u, name: full, type: read-only"}, want: "refused: the token is not there", same: true},
		{name: "create over another's", have: []string{full}, entries: []string{"action: create, user: u, name: full, type: read-only, generate: true"}, want: "refused: key is taken"},
		{name: "create what is another's", have: []string{full}, entries: []string{"action: create, user: u, name: full, type: read-only, " + tok(0)}, want: "refused: key is taken"},
		{name: "copy over another's", have: []string{full, reading}, entries: []string{"action: copy, user: u, name: full, from: {" + key1 + "}"}, want: "refused: key is taken"},
		{name: "rename over another's", have: []string{full, reading}, entries: []string{"action: update, " + key1 + ", set: {name: full}"}, want: "refused: key is taken"},
		{name: "rename over one's own", have: []string{reading, "action: create, user: u, name: m, type: read-only, " + tok(0)}, entries: []string{"action: update, " + key1 + ", set: {name: m}"}, want: "refused: the user has another token"},
		{name: "regenerate to its key", have: []string{full, reading}, entries: []string{"action: regenerate, user: u, name: n, " + tok(0)}, want: "refused: key is taken"},
		{name: "add its key", have: []string{full, reading}, entries: []string{"action: ensure, user: u, name: n, credentials: [{" + tok(1) + "}, {" + tok(0) + "}]"}, want: "refused: key is taken"},
		{name: "all of the user", have: []string{full, reading}, entries: []string{"action: disable, user: u, all: true, expect: 1"}, want: "updated"},
		{name: "delete all of the user", have: []string{full, reading}, entries: []string{"action: delete, user: u, all: true"}, want: "deleted"},
		{name: "revoke all of the user", have: []string{full, reading}, entries: []string{"action: revoke, user: u, all: true"}, want: "revoked"},
		{
			name: "widen at last", have: []string{reading},
			entries: []string{"action: disable, " + key1, "action: update, " + key1 + ", set: {type: full-access, active: true}"}, want: "refused: policy: types: ",
		},
	} {
		a.policy = Policy{Types: []store.Type{store.ReadOnly}}
		t.Run(a.name, a.run)
	}
}

// A rule on scopes is about what a token may do, however it is said.
func TestPolicyOnScopes(t *testing.T) {
	custom := "action: create, user: u, name: n, type: custom, " + tok(1) + ", "
	for _, a := range []attack{
		{name: "permitted", entries: []string{custom + "scopes: [api::article.find]"}, want: "created"},
		{name: "a pattern within", entries: []string{custom + "scopes: ['api::article.*', 'api::article.f*d']"}, want: "created"},
		{name: "a pattern around", entries: []string{custom + "scopes: ['api::*']"}, want: "refused: policy: scopes: "},
		{name: "a pattern that overlaps", entries: []string{custom + "scopes: ['*.find']"}, want: "refused: policy: scopes: "},
		{name: "everything", entries: []string{custom + "scopes: ['*']"}, want: "refused: policy: scopes: "},
		{name: "one of two", entries: []string{custom + "scopes: [api::article.find, api::page.find]"}, want: "refused: policy: scopes: "},
		{name: "full access", entries: []string{"action: create, user: u, name: n, " + tok(1)}, want: "refused: policy: scopes: "},
		{name: "read-only", entries: []string{"action: create, user: u, name: n, type: read-only, " + tok(1)}, want: "refused: policy: scopes: "},
		{name: "a set within", entries: []string{custom + "scope_sets: [reading]"}, want: "created"},
		{name: "a set around", entries: []string{custom + "scope_sets: [writing]"}, want: "refused: policy: scopes: "},
		{name: "a set beside scopes", entries: []string{custom + "scopes: [api::article.find], scope_sets: [reading, writing]"}, want: "refused: policy: scopes: "},
		{name: "update to a set", have: []string{custom + "scopes: [api::article.find]"}, entries: []string{"action: update, " + key1 + ", set: {scope_sets: [writing]}"}, want: "refused: policy: scopes: "},
		{name: "update to full access", have: []string{custom + "scopes: [api::article.find]"}, entries: []string{"action: update, " + key1 + ", set: {type: full-access}"}, want: "refused: policy: scopes: "},
		{name: "ensure more", have: []string{custom + "scopes: [api::article.find]"}, entries: []string{"action: ensure, user: u, name: n, scopes: ['**']"}, want: "refused: policy: scopes: "},
		{name: "another's", have: []string{custom + "scopes: ['*']"}, entries: []string{"action: update, " + key1 + ", set: {scopes: [api::article.find]}"}, want: thereIsNone, same: true},
		{name: "another's with a set", have: []string{custom + "scope_sets: [writing]"}, entries: []string{"action: regenerate, " + key1}, want: thereIsNone, same: true},
		{name: "copy another's", have: []string{custom + "scopes: ['*']"}, entries: []string{"action: copy, user: u, name: m, from: {" + key1 + "}, scopes: [api::article.find]"}, want: "refused: there is no token to copy from", same: true},
		{name: "copy as more", have: []string{custom + "scopes: [api::article.find]"}, entries: []string{"action: copy, user: u, name: m, from: {" + key1 + "}, scopes: ['*']"}, want: "refused: policy: scopes: "},
		{
			name: "two steps", have: []string{custom + "scope_sets: [reading]"},
			entries: []string{"action: update, " + key1 + ", set: {scopes: [api::article.find], scope_sets: []}", "action: update, " + key1 + ", set: {scope_sets: [writing]}"}, want: "refused: policy: scopes: ",
		},
	} {
		a.policy = Policy{Scopes: []string{"api::article.*"}}
		t.Run(a.name, a.run)
	}
	both := Policy{Scopes: []string{"api::article.*"}, Types: []store.Type{store.ReadOnly, store.Custom}}
	for _, a := range []attack{
		{name: "a named type", entries: []string{"action: create, user: u, name: n, type: read-only, " + tok(1)}, want: "created"},
		{name: "no named type", entries: []string{"action: create, user: u, name: n, " + tok(1)}, want: "refused: policy: types: "},
		{name: "beside a named type", entries: []string{custom + "scopes: ['*']"}, want: "refused: policy: scopes: "},
	} {
		a.policy = both
		t.Run(a.name, a.run)
	}
}

// Of what is taken outside of the policy nothing more is told, not even what of
// it is taken.
func TestPolicyTellsNoMoreThanTaken(t *testing.T) {
	for _, fields := range []string{
		"action: create, user: u, name: n, type: read-only, " + tok(0),
		"action: create, user: u, name: full, type: read-only, " + tok(1),
		"action: ensure, user: u, name: full, type: read-only, credentials: [{" + tok(1) + "}, {" + tok(0) + "}]",
		"action: regenerate, user: u, name: own, " + tok(0),
		"action: update, user: u, name: own, set: {name: full}",
	} {
		w := policed(t, Policy{Types: []store.Type{store.ReadOnly}})
		w.must(entries("action: create, user: u, name: full, "+tok(0), "action: create, user: u, name: own, type: read-only, "+tok(2)))
		_, problems := w.applyIn("ci", entry(fields))
		if len(problems) != 1 || problems[0] != (Problem{Pos{2, 3}, "key is taken"}) {
			t.Errorf("%s: %v", fields, problems)
		}
	}
}

// Policies, invariant 3: a set that is not configured any more may come back with anything in it.
func TestPolicyOnScopesOfAForgottenSet(t *testing.T) {
	w := policed(t, Policy{Scopes: []string{"api::article.*"}})
	w.must(entry("action: create, user: u, name: n, type: custom, scope_sets: [reading], " + tok(1)))
	update := entry("action: update, " + key1 + ", set: {description: d}")
	if got := w.in(update); got != "updated" {
		t.Error(got)
	}
	delete(w.settings.ScopeSets, "reading")
	if got := w.in(update); !strings.HasPrefix(got, thereIsNone) {
		t.Error(got)
	}
}

func TestPolicyOnAudiences(t *testing.T) {
	build := "action: create, user: u, name: n, audience: build, " + tok(1)
	for _, a := range []attack{
		{name: "permitted", entries: []string{build}, want: "created"},
		{name: "the default", entries: []string{"action: create, user: u, name: n, " + tok(1)}, want: "refused: policy: audiences: "},
		{name: "update", have: []string{build}, entries: []string{"action: update, " + key1 + ", set: {audience: api}"}, want: "refused: policy: audiences: "},
		{name: "update to the default", have: []string{build}, entries: []string{"action: update, " + key1 + ", set: {audience: ''}"}, want: "refused: policy: audiences: "},
		{name: "ensure", have: []string{build}, entries: []string{"action: ensure, user: u, name: n, audience: api"}, want: "refused: policy: audiences: "},
		{name: "another's", have: []string{"action: create, user: u, name: n, " + tok(1)}, entries: []string{"action: update, " + key1 + ", set: {audience: build}"}, want: thereIsNone, same: true},
		{name: "copy another's", have: []string{"action: create, user: u, name: n, " + tok(1)}, entries: []string{"action: copy, user: u, name: m, audience: build, from: {" + key1 + "}"}, want: "refused: there is no token to copy from", same: true},
		{name: "copy as", have: []string{build}, entries: []string{"action: copy, user: u, name: m, audience: api, from: {" + key1 + "}"}, want: "refused: policy: audiences: "},
	} {
		a.policy = Policy{Audiences: []string{"build"}}
		t.Run(a.name, a.run)
	}
}

// An empty list permits nothing, and a policy without rules everything.
func TestPolicyOfEmptyLists(t *testing.T) {
	create := []string{"action: create, user: u, name: n, type: custom, scopes: [x], " + tok(1)}
	for _, a := range []attack{
		{name: "no rules", entries: create, want: "created"},
		{name: "no actions", policy: Policy{Actions: []string{}}, entries: create, want: "refused: policy: actions: "},
		{name: "no users", policy: Policy{Users: []string{}}, entries: create, want: "refused: policy: users: "},
		{name: "no types", policy: Policy{Types: []store.Type{}}, entries: create, want: "refused: policy: types: "},
		{name: "no scopes", policy: Policy{Scopes: []string{}}, entries: create, want: "refused: policy: scopes: "},
		{name: "no audiences", policy: Policy{Audiences: []string{}}, entries: create, want: "refused: policy: audiences: "},
	} {
		t.Run(a.name, a.run)
	}
}

func TestPolicyOnActions(t *testing.T) {
	have := []string{"action: create, user: u, name: n, " + tok(0)}
	for _, a := range []attack{
		{name: "permitted", entries: []string{"action: ensure, user: u, name: n, active: false"}, want: "updated"},
		{name: "what would do nothing", entries: []string{"action: delete, user: u, name: none"}, want: "refused: policy: actions: ", same: true},
		{name: "copy", entries: []string{"action: copy, user: u, name: m, from: {" + key0 + "}"}, want: "refused: policy: actions: "},
		{name: "block", manifest: "users:\n- {user: u, blocked: true}\n", want: "refused: policy: actions: ", same: true},
		{name: "unblock", manifest: "users:\n- {user: u, blocked: false}\n", want: "refused: policy: actions: ", same: true},
		{
			name:     "the action of the document",
			manifest: "action: regenerate\n" + entries("action: ensure, user: u, name: n, active: false", "user: u, name: n"), want: "refused: policy: actions: ",
		},
	} {
		a.policy, a.have = Policy{Actions: []string{"create", "ensure"}}, have
		t.Run(a.name, a.run)
	}
	blocks := attack{policy: Policy{Actions: []string{Block}}, manifest: "users:\n- {user: u, blocked: true}\n", want: "updated"}
	t.Run("only block", blocks.run)
}

func TestPolicyOnUserRules(t *testing.T) {
	for pattern, permitted := range map[string]bool{
		"ci-a": true, "ci-*": true, "ci-b*": true,
		"root": false, "*": false, "**": false, "ci-**": false, "ci-*/x": false, "ci*": false, "c*-a": false,
	} {
		want := "refused: policy: users: "
		if permitted {
			want = "updated"
		}
		a := attack{policy: byUsers, manifest: "users:\n- {user: '" + pattern + "', blocked: true}\n", want: want, same: true}
		t.Run(pattern, a.run)
	}
}

func TestPolicyOnMaxTokens(t *testing.T) {
	w := policed(t, Policy{MaxTokens: 2})
	w.must(entry(rootHas + tok(2))) // made elsewhere
	create := func(name string) string { return "action: create, user: u, name: " + name + ", generate: true" }
	const full = "refused: policy: max_tokens: "
	for i, step := range []struct{ manifest, want string }{
		{entries(create("a"), create("b"), create("c")), full},
		{entries(create("a"), create("b")), "created created"},
		{entries(create("b")), "unchanged"},
		{entries(create("c")), full},
		{entries("action: ensure, user: u, name: c, generate: true"), full},
		{entries("action: copy, user: u, name: c, from: {user: u, name: a}"), full},
		{entries("action: update, user: u, name: a, set: {user: v}", create("c")), full},
		{entries("action: disable, user: u, name: b", create("c")), full},
		{entries("action: delete, user: root, name: hidden", create("c"), create("d")), full},
		{entries("action: delete, user: u, name: b", create("c")), "deleted created"},
		{entries(create("d"), "action: delete, user: u, name: c"), full},
	} {
		got := w.in(step.manifest)
		if got != step.want && (step.want != full || !strings.HasPrefix(got, full)) {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	w.must(entry(create("elsewhere")))
}

// Policies, invariant 5: a revocation forbids a key to those whom the policy is about,
// and squats no key of anybody else.
func TestPolicyOnRevocation(t *testing.T) {
	const own = "user: ci-a, name: n, "
	later := func(w *world, user string) string {
		_, problems := w.apply(entry("action: create, user: " + user + ", name: later, " + tok(0)))
		if len(problems) > 0 {
			return problems[0].Text
		}
		return "created"
	}
	for _, step := range []struct {
		have, entry string
		want        string // of the revocation
		ci, root    string // what a create for each says later
	}{
		{"", "action: revoke, " + key0, "refused: policy: users: ", "created", "created"},
		{"", "action: revoke, key: [" + keyOf(numbered[0]) + "]", "refused: policy: users: ", "created", "created"},
		{"", "action: revoke, " + tok(0), "refused: policy: users: ", "created", "created"},
		{"", "action: revoke, user: root, name: n, " + key0, "refused: policy: users: ", "created", "created"},
		{"", "action: revoke, user: root, name: n", "refused: policy: users: ", "created", "created"},
		{"", "action: revoke, " + own + key0, "revoked", wasRevoked, "created"},
		{rootHas + tok(0), "action: revoke, " + key0, "refused: policy: users: ", isTaken, isTaken},
		{rootHas + tok(0), "action: revoke, user: root, name: hidden", "refused: policy: users: ", isTaken, isTaken},
		{rootHas + tok(0), "action: revoke, " + own + key0, "revoked", isTaken, isTaken},
		{rootHas + tok(0), "action: revoke, user: root, all: true", "", isTaken, isTaken},
		{"action: create, " + own + tok(0), "action: revoke, " + key0, "revoked", wasRevoked, wasRevoked},
	} {
		for user, want := range map[string]string{"ci-b": "created", "ci-a": step.ci, "root": step.root} {
			if user == "ci-b" && step.ci != "created" {
				continue // as others
			}
			w := policed(t, byUsers)
			if step.have != "" {
				w.must(entry(step.have))
			}
			if got := w.in(entry(step.entry)); got != step.want && (!strings.HasPrefix(step.want, "refused: ") || !strings.HasPrefix(got, step.want)) {
				t.Errorf("%s over %s: %s, want %s", step.entry, step.have, got, step.want)
			}
			if got := later(w, user); !strings.HasPrefix(got, want) {
				t.Errorf("%s over %s, and later for %s: %s, want %s", step.entry, step.have, user, got, want)
			}
			if _, there := w.index.ByName(store.Name{User: "root", Name: "hidden"}); strings.HasPrefix(step.have, rootHas) != there {
				t.Errorf("%s has revoked what it cannot see", step.entry)
			}
		}
	}
}

// Without a rule on users a key is forbidden to everybody, unless a token outside
// of the policy has it: its owner could never rotate it again.
func TestPolicyOnRevocationOfWhatIsOutside(t *testing.T) {
	for policy, want := range map[*Policy]string{
		{Types: []store.Type{store.ReadOnly}}:                         "refused: " + isTaken,
		{Types: []store.Type{store.ReadOnly}, Users: []string{"**"}}:  "refused: " + isTaken,
		{Types: []store.Type{store.ReadOnly}, Users: []string{"ci*"}}: "revoked",
	} {
		w := policed(t, *policy)
		w.must(entry(rootHas + tok(0)))
		user := "ci"
		if want != "revoked" {
			user = "root"
		}
		if got := w.in(entry("action: revoke, user: " + user + ", name: n, " + key0)); got != want {
			t.Errorf("%s under %v: %s", user, policy, got)
		}
		if got := w.must(entry("action: regenerate, user: root, name: hidden")); got != "updated" {
			t.Errorf("the owner's rotation: %s", got)
		}
	}
}

// The keys that a revoked token would have elsewhere may be those of another's.
func TestPolicyOnRevocationOfImports(t *testing.T) {
	w := policed(t, byUsers)
	w.keys = keysWith(t)
	w.must(entry("action: create, user: ci-a, name: n, token: " + strapiToken))
	if got := w.in(entry("action: revoke, token: " + strapiToken)); got != "revoked" {
		t.Error(got)
	}
	_, problems := w.apply(entry("action: create, user: ci-a, name: n, " + byStrapi))
	if len(problems) != 1 || problems[0].Text != wasRevoked {
		t.Errorf("for the user: %v", problems)
	}
	if _, problems := w.apply(entry("action: create, user: root, name: n, " + byStrapi)); len(problems) > 0 {
		t.Errorf("for another one: %v", problems)
	}
}

func TestPolicyOnOwners(t *testing.T) {
	groups := func(user string) []string {
		return map[string][]string{"anna": {"users", "ops"}, "group:ops": {"ops"}}[user]
	}
	for _, tt := range []struct {
		owners []string
		author string
		want   bool
	}{
		{nil, "", true},
		{nil, "anna", true},
		{[]string{}, "anna", false},
		{[]string{"deploy"}, "deploy", true},
		{[]string{"deploy"}, "anna", false},
		{[]string{"deploy"}, "", false},
		{[]string{"deploy", "group:ops"}, "anna", true},
		{[]string{"deploy", "group:ops"}, "bob", false},
		{[]string{"deploy", "group:ops"}, "ops", false},
		{[]string{"group:ops"}, "group:ops", false},
		{[]string{"group:ops"}, "", false},
		{[]string{"users"}, "anna", false},
		{[]string{"1000"}, "1000", true},
	} {
		b := newBench(t)
		b.Groups = groups
		b.Configure(Settings{Rules: map[string]Rules{"spool": {Policy: &Policy{Owners: tt.owners}}}})
		p := patch(1, creates("a"))
		p.Author = tt.author
		results, err := b.Apply(t.Context(), []Patch{p})
		if err != nil {
			t.Fatal(err)
		}
		installed := results[0].Outcome == store.Installed
		if installed != tt.want || !installed && !strings.Contains(results[0].Reasons[0], "policy: owners: ") {
			t.Errorf("%q among %q: %+v", tt.author, tt.owners, results[0])
		}
		if _, made := b.Store.ByName(store.Name{User: "u", Name: "a"}); made != tt.want {
			t.Errorf("%q among %q: made %v", tt.author, tt.owners, made)
		}
	}
}

// Who is in which groups is looked up once for patches that wait together: that
// reads files of the system.
func TestGroupsAreLookedUpOnce(t *testing.T) {
	b := newBench(t)
	var asked atomic.Int32
	b.Groups = func(user string) []string {
		asked.Add(1)
		return []string{"of-" + user}
	}
	b.Configure(Settings{Rules: map[string]Rules{"spool": {Policy: &Policy{Owners: []string{"group:of-anna"}}}}})
	var patches []Patch
	for i := range 20 {
		p := patch(byte(i+1), creates(fmt.Sprint("n", i)))
		p.Author = []string{"anna", "bob"}[i%2]
		patches = append(patches, p)
	}
	results, err := b.Apply(t.Context(), patches)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if (r.Outcome == store.Installed) != (i%2 == 0) {
			t.Errorf("patch of %s: %s", patches[i].Author, r.Outcome)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times for the groups of 2 users", n)
	}
}

// A set of scopes has to be configured, where that can be known.
func TestScopeSetsAreConfigured(t *testing.T) {
	text := entry("action: create, user: u, name: n, generate: true, type: custom, scope_sets: [readin, x]")
	if _, problems := (Decoder{}).Decode("x.yaml", []byte(text)); len(problems) > 0 {
		t.Errorf("without a configuration: %v", problems)
	}
	b := newBench(t)
	for _, sets := range []map[string][]string{nil, {"reading": {"a"}}} {
		b.Configure(Settings{ScopeSets: sets})
		results, err := b.Apply(t.Context(), []Patch{patch(byte(len(sets)), text)})
		if err != nil {
			t.Fatal(err)
		}
		reasons := strings.Join(results[0].Reasons, "\n")
		if strings.Count(reasons, "no set of scopes in the configuration") != 2 ||
			strings.Contains(reasons, `did you mean "reading"`) != (sets != nil) || !strings.HasPrefix(reasons, fmt.Sprintf("%d.yaml:2:81: ", len(sets))) {
			t.Errorf("with %d sets: %s", len(sets), reasons)
		}
	}
}

// A set that has grown keeps nobody from taking a token out of use.
func TestTooLongByItsSet(t *testing.T) {
	w := policed(t, Policy{})
	w.must(entry("action: create, user: u, name: n, type: custom, scope_sets: [reading], " + tok(0)))
	w.settings.ScopeSets["reading"] = manyScopes(32)
	for _, step := range [][2]string{
		{"action: update, " + key0 + ", set: {description: d}", "updated"},
		{"action: disable, " + key0, "updated"},
		{"action: update, " + key0 + ", set: {scopes: [x]}", "refused: what is told of the token"},
		{"action: delete, " + key0, "deleted"},
	} {
		if got := w.in(entry(step[0])); !within(got, step[1]) {
			t.Errorf("%s: %s", step[0], got)
		}
	}
}
