package provision

import (
	"slices"
	"strings"
	"testing"
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

// Invariants 12 and 13.
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
		{name: "update all", have: []string{root}, entries: []string{"action: update, user: root, all: true, set: {active: false}"}, want: "", same: true},
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
