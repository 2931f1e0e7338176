package main

import (
	"fmt"
	"strings"
	"testing"
)

func ensures(sources ...string) string {
	return "tokens:\n- {action: ensure, user: /users/root, name: a, credentials: [" + strings.Join(sources, ", ") + "]}\n"
}

func literal(token string) string { return "{token: '" + token + "'}" }

// Rotation without downtime: at no step is a token refused that a client may
// still have.
func TestRotation(t *testing.T) {
	m := newMachine(t)
	m.start()
	for i, step := range []struct{ manifest, a, b string }{
		{ensures(literal(tokenA)), "200 " + keyA, "401 invalid_token"},
		{ensures(literal(tokenA), literal(tokenB)), "200 " + keyA, "200 " + keyB},
		{ensures(literal(tokenB)), "401 invalid_token", "200 " + keyB},
		{edit("regenerate", ", grace: 1h, token: '"+tokenA+"'"), "200 " + keyA, "200 " + keyB},
		{edit("regenerate", ", token: '"+tokenA+"'"), "200 " + keyA, "200 " + keyB}, // the same again: nothing to do
		{edit("disable", ""), "401 disabled", "401 disabled"},
	} {
		m.install(fmt.Sprintf("%d.yaml", i), step.manifest)
		if a, b := m.verify(tokenA), m.verify(tokenB); a != step.a || b != step.b {
			t.Errorf("step %d: %s and %s, want %s and %s", i, a, b, step.a, step.b)
		}
	}
}

func TestBlockedUser(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	for i, step := range []struct{ manifest, want string }{
		{"users:\n- {user: '/users/*', blocked: true, reason: left}\n", "401 user_blocked"},
		{"users:\n- {user: /users/root, blocked: false}\n", "200 " + keyA},
		{"users:\n- {user: /users/root, blocked: true}\n", "401 user_blocked"},
	} {
		m.install(fmt.Sprintf("users-%d.yaml", i), step.manifest)
		if got := m.verify(tokenA); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	m.kill()
	m.start()
	if got := m.verify(tokenA); got != "401 user_blocked" {
		t.Errorf("after a restart: %s", got)
	}
	if list := m.list(); len(list) != 1 || list[0].State != "blocked" {
		t.Errorf("list: %+v", list)
	}
}

// Revoked is for ever: after a restart, and for a manifest that is dropped
// again.
func TestRevokedForEver(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	m.install("revoke.yaml", "tokens:\n- {action: revoke, key: "+keyA+"}\n")
	if got := m.verify(tokenA); got != "401 invalid_token" {
		t.Errorf("verify says %s", got)
	}
	m.kill()
	m.start()
	m.put("a.yaml", manifestA)
	if got := m.outcome("a.yaml"); got != "failed" || !strings.Contains(m.read("a.yaml.failed.reason"), "revoked") {
		t.Errorf("dropped again: %s, %s", got, m.read("a.yaml.failed.reason"))
	}
	if got := m.verify(tokenA); got != "401 invalid_token" {
		t.Errorf("verify says %s", got)
	}
}
