package main

import (
	"os/user"
	"strings"
	"testing"
)

// A drop directory with a policy takes what that permits, and says of anything
// else which rule it breaks.
func TestPolicy(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, `  [drop.policy]
  actions = ["create", "ensure", "update", "delete", "revoke"]
  users = ["ci-*"]
  scopes = ["api::article.*"]
  types = ["full-access", "custom"]
  max_lifetime = "30d"
  owners = ["nobody-at-all", "group:`+group.Name+`"]
[scope_sets]
reading = ["api::article.find"]
writing = ["api::article.*", "api::page.*"]`)
	m.start()
	const token = "token: '" + tokenA + "', "
	for _, step := range []struct{ name, manifest, reason string }{
		{"permitted", "{action: create, user: ci-a, name: n, expires_in: 30d, " + token + "}", ""},
		{"rename", "{action: update, user: ci-a, name: n, set: {user: root}}", "policy: users: "},
		{"user", "{action: create, user: root, name: n, expires_in: 30d, generate: true}", "policy: users: "},
		{"action", "{action: disable, user: ci-a, name: n}", "policy: actions: "},
		{"type", "{action: update, user: ci-a, name: n, set: {type: read-only}}", "policy: types: "},
		{"scope", "{action: update, user: ci-a, name: n, set: {type: custom, scopes: ['api::*']}}", "policy: scopes: "},
		{"set", "{action: update, user: ci-a, name: n, set: {type: custom, scope_sets: [writing]}}", "policy: scopes: "},
		{"no-set", "{action: update, user: ci-a, name: n, set: {type: custom, scope_sets: [writings]}}", `did you mean "writing"?`},
		{"lifetime", "{action: update, user: ci-a, name: n, set: {expires_at: never}}", "policy: max_lifetime: "},
		{"again", "{action: delete, user: ci-a, name: n}\n- {action: create, user: ci-a, name: n, expires_in: 31d, generate: true}", "policy: max_lifetime: "},
		{"block", "{action: delete, user: ci-b, name: n}\nusers:\n- {user: ci-a, blocked: true}", "policy: actions: "},
		{"narrowed", "{action: update, user: ci-a, name: n, set: {type: custom, scope_sets: [reading]}}", ""},
	} {
		name := step.name + ".yaml"
		m.put(name, "tokens:\n- "+step.manifest+"\n")
		want := "installed"
		if step.reason != "" {
			want = "failed"
		}
		if got := m.outcome(name); got != want || want == "failed" && !strings.Contains(m.read(name+".failed.reason"), step.reason) {
			t.Errorf("%s: %s, %s", step.name, got, m.read(name+".failed.reason"))
		}
	}
	if list := m.list(); len(list) != 1 || list[0].User != "ci-a" || list[0].Type != "custom" || list[0].ExpiresAt == nil {
		t.Errorf("list: %+v", list)
	}
}

// A file of somebody else is refused whatever is in it.
func TestPolicyOnOwners(t *testing.T) {
	m := newMachine(t, "  [drop.policy]\n  owners = [\"nobody-at-all\", \"group:nobody-at-all\"]")
	m.start()
	m.put("a.yaml", "tokens: [")
	if got := m.outcome("a.yaml"); got != "failed" {
		t.Fatal(got)
	}
	if got := m.read("a.yaml.failed.reason"); !strings.HasPrefix(got, "a.yaml: policy: owners: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("the reason: %s", got)
	}
}
