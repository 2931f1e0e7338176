package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// preview tells what manifests would do, a line a step and a line a field.
func (b *bench) preview(texts ...string) string {
	b.t.Helper()
	patches := make([]Patch, len(texts))
	for i, text := range texts {
		patches[i] = patch(byte(100+i), text)
	}
	var out strings.Builder
	for _, p := range b.Preview(patches) {
		fmt.Fprintln(&out, p.Outcome)
		for _, problem := range p.Problems {
			fmt.Fprintln(&out, problem.In("x.yaml"))
		}
		for _, s := range p.Steps {
			fmt.Fprintf(&out, "%s %s %s/%s", s.Action, s.Result, s.Name.User, s.Name.Name)
			if !s.Key.IsZero() {
				fmt.Fprintf(&out, " %s", s.Key)
			}
			fmt.Fprintln(&out)
			for _, f := range s.Fields {
				fmt.Fprintf(&out, "  %s: %q -> %q\n", f.Field, f.Old, f.New)
			}
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func entries(fields ...string) string {
	return "tokens:\n- {" + strings.Join(fields, "}\n- {") + "}\n"
}

// What a plan says of each action, over a store with a token of known secret.
func TestPreview(t *testing.T) {
	const (
		digest = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		newKey = "6fbeb92f-9ad8-40ef-afb9-05beb56659e2"
		other  = "b765L5rYQO+vuQW+tWZZ4nYIp3/Qv2wk2Z27fNtmgOY="
	)
	for _, test := range []struct{ manifest, want string }{
		{entry("action: create, user: u, name: b, token: '" + other + "', expires_at: 2027-12-31, labels: {a: b, c: d}"), `installed
create created u/b ` + newKey + `
  type: "" -> "full-access"
  audience: "" -> "api"
  labels: "" -> "a=b, c=d"
  active: "" -> "true"
  expires_at: "" -> "2028-01-01T00:00:00Z"
  credential: "" -> "` + newKey + `"`},
		{entry("action: create, user: u, name: b, generate: true, type: custom, scopes: [y, x], allowed_ips: [10.0.0.0/8], issued_at: 2026-01-01"), `installed
create created u/b
  type: "" -> "custom"
  scopes: "" -> "x, y"
  allowed_ips: "" -> "10.0.0.0/8"
  audience: "" -> "api"
  active: "" -> "true"
  issued_at: "" -> "2026-01-01T00:00:00Z"
  credential: "" -> "(new)"`},
		{entry("action: ensure, user: u, name: b, key: " + newKey + ", generate: true"), `installed
ensure created u/b ` + newKey + `
  type: "" -> "full-access"
  audience: "" -> "api"
  active: "" -> "true"
  credential: "" -> "` + newKey + `"`},
		{entry("action: create, user: u, name: a, token: '" + realToken + "', description: ignored"), `installed
create unchanged u/a ` + realKey},
		{entry("action: ensure, user: u, name: a, description: new, active: false"), `installed
ensure updated u/a ` + realKey + `
  description: "old" -> "new"
  active: "true" -> "false"`},
		{entry("action: update, user: u, name: a, set: {user: v, name: c, description: ''}"), `installed
update updated v/c ` + realKey + `
  description: "old" -> ""
  user: "u" -> "v"
  name: "a" -> "c"`},
		{entry("action: regenerate, user: u, name: a"), `installed
regenerate updated u/a ` + realKey + `
  credential: "` + realKey + `" -> "` + realKey + ` (new)"
  generation: "1" -> "2"`},
		{entry("action: regenerate, user: u, name: a, key: " + realKey + ", digest: '" + digest + "', grace: 1h"), `installed
regenerate updated u/a ` + realKey + `
  credential: "` + realKey + `" -> "` + realKey + ` (new), ` + realKey + ` until 2026-06-01T13:00:00Z"
  generation: "1" -> "2"`},
		{entry("action: ensure, user: u, name: a, token: '" + other + "', grace: 1h"), `installed
ensure updated u/a ` + newKey + `
  credential: "` + realKey + `" -> "` + newKey + ` (new), ` + realKey + ` until 2026-06-01T13:00:00Z"
  generation: "1" -> "2"`},
		{entry("action: ensure, user: u, name: a, credentials: [{token: '" + realToken + "'}, {generate: true}]"), `installed
ensure updated u/a ` + realKey + `
  credential: "` + realKey + `" -> "` + realKey + `, (new)"
  generation: "1" -> "2"`},
		{entry("action: delete, user: u, name: a"), "installed\ndelete deleted u/a " + realKey},
		{entry("action: delete, user: u, name: b"), "installed\ndelete unchanged u/b"},
		{entry("action: revoke, key: [" + realKey + ", " + newKey + "]"), "installed\nrevoke revoked u/a " + realKey + "\nrevoke revoked / " + newKey},
		{entry("action: disable, user: u, all: true"), "installed\ndisable updated u/a " + realKey + "\n  active: \"true\" -> \"false\""},
		{"users:\n- {user: u, blocked: true, reason: left}\n- {user: v, blocked: false}\n", `installed
block updated u/
  blocked: "" -> "true"
  reason: "" -> "left"
unblock updated v/
  blocked: "" -> "false"`},
		{"# nothing\n", "skipped"},
		{"once: used\n" + creates("b"), "skipped"},
		{entry("action: update, user: u, name: b, set: {active: false}"), "failed\nx.yaml:2:3: " + notThere},
		{"tokens: 1\n", "failed\nx.yaml:1:9: \"tokens\" is a list of entries; each one starts with \"- \""},
	} {
		b := newBench(t)
		before := []Patch{
			patch(1, entry("action: create, user: u, name: a, description: old, token: '"+realToken+"'")),
			patch(2, "once: used\n"+creates("b")), // the same text as in the table
			patch(3, entry("action: delete, user: u, name: b")),
		}
		if got := b.outcomes(before...); got != "installed installed installed" {
			t.Fatal(got)
		}
		ledger := b.ledger()
		if got := b.preview(test.manifest); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.manifest, got, test.want)
		}
		if !slices.Equal(b.ledger(), ledger) {
			t.Error("the plan is in the ledger")
		}
	}
}

// A plan goes on from the plans before it, and a later entry sees an earlier
// one; what fails leaves nothing behind.
func TestPreviewOnTop(t *testing.T) {
	b := newBench(t)
	got := b.preview(
		creates("a"),
		entries("action: update, user: u, name: a, set: {description: x}", "action: update, user: u, name: gone, set: {active: false}"),
		entries("action: update, user: u, name: a, set: {description: y}", "action: update, user: u, name: a, set: {description: z, name: b}", "action: delete, user: u, name: b"),
		entry("action: delete, user: u, name: a"),
	)
	want := `installed
create created u/a
  type: "" -> "full-access"
  audience: "" -> "api"
  active: "" -> "true"
  credential: "" -> "(new)"
failed
x.yaml:3:3: ` + notThere + `
installed
update updated u/a
  description: "" -> "y"
update updated u/b
  description: "y" -> "z"
  name: "a" -> "b"
delete deleted u/b
installed
delete unchanged u/a`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, ok := b.Store.ByName(store.Name{User: "u", Name: "a"}); ok {
		t.Error("the plan was applied")
	}
}

// A name that one file uses up is used up for the next.
func TestPreviewOnce(t *testing.T) {
	b := newBench(t)
	once := "once: x\n" + creates("a")
	got := b.preview(once, once, "once: x\n"+creates("b"))
	if !strings.HasPrefix(got, "installed\n") || !strings.Contains(got, "\nskipped\nfailed\nx.yaml:1:7: this \"once\" was used up") {
		t.Error(got)
	}
}

// What the store could not hold in one transaction fails in a plan too.
func TestPreviewTooMuch(t *testing.T) {
	b := newBench(t)
	b.Store = narrow{b.Store}
	if got, want := b.preview(creates("a")), "failed\nx.yaml: "+tooMuch.Text; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// narrow is a store that takes one write at a time.
type narrow struct{ store.Store }

func (narrow) Limits() store.Limits { return store.Limits{Writes: 1, Bytes: 1 << 20} }

// A plan says what applying then does.
func TestPreviewHoldsTrue(t *testing.T) {
	b := newBench(t)
	text := entries("action: create, user: u, name: a, generate: true", "action: disable, user: u, name: a", "action: delete, user: u, name: b")
	var planned []string
	for _, s := range b.Preview([]Patch{patch(1, text)})[0].Steps {
		planned = append(planned, fmt.Sprint(s.Action, s.Name, s.Result))
	}
	if got := b.outcomes(patch(1, text)); got != "installed" {
		t.Fatal(got)
	}
	applied, _, err := b.Store.Entry(context.Background(), store.PatchID{1})
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, c := range applied.Changes {
		done = append(done, fmt.Sprint(c.Action, c.Name, c.Result))
	}
	if !slices.Equal(planned, done) {
		t.Errorf("planned %q, done %q", planned, done)
	}
}
