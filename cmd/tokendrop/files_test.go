package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newFilesMachine has directories from which manifests may have secrets read,
// and into which they may have them written.
func newFilesMachine(t *testing.T) *machine {
	t.Helper()
	secrets, out := t.TempDir(), t.TempDir()
	m := newMachine(t, fmt.Sprintf("secret_dirs = [%q]\nsecret_env = [\"TEST_TOKEN_B\"]\noutput_dirs = [%q]", secrets, out))
	m.secrets, m.out = secrets, out
	return m
}

// A secret is generated, and whoever is to use it finds it in a file.
func TestWriteTo(t *testing.T) {
	m := newFilesMachine(t)
	m.start()
	path := filepath.Join(m.out, "token")
	for i, action := range []string{"create", "regenerate"} {
		m.install(fmt.Sprintf("%d.yaml", i), fmt.Sprintf("tokens:\n- action: %s\n  user: u\n  name: n\n  generate: true\n  write_to: {path: '%s', mode: '0640'}\n", action, path))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.verify(strings.TrimSpace(string(text))); !strings.HasPrefix(got, "200 ") {
			t.Errorf("after %s: %s", action, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	m.put("other.yaml", fmt.Sprintf("tokens:\n- {action: create, user: u, name: other, generate: true, write_to: {path: '%s'}}\n", path))
	if got := m.outcome("other.yaml"); got != "failed" || !strings.Contains(m.read("other.yaml.failed.reason"), "not written for this token") {
		t.Errorf("another token's file: %s, %s", got, m.read("other.yaml.failed.reason"))
	}
}

// The manifest has no secret in it, and the token is known by the one that
// lies elsewhere.
func TestTokenFileAndEnv(t *testing.T) {
	t.Setenv("TEST_TOKEN_B", tokenB)
	m := newFilesMachine(t)
	m.start()
	if err := os.WriteFile(filepath.Join(m.secrets, "a"), []byte(tokenA+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.install("a.yaml", fmt.Sprintf("tokens:\n- {action: create, user: u, name: a, token_file: '%s/a'}\n- {action: create, user: u, name: b, token_env: TEST_TOKEN_B}\n", m.secrets))
	if a, b := m.verify(tokenA), m.verify(tokenB); a != "200 "+keyA || b != "200 "+keyB {
		t.Errorf("%s and %s", a, b)
	}
	for name, source := range map[string]string{
		"config":  "token_file: '" + m.config() + "'",
		"store":   "token_file: '" + m.root + "/store/KEYREGISTRY'",
		"environ": "token_file: /proc/self/environ",
		"home":    "token_env: HOME",
	} {
		m.put(name+".yaml", "tokens:\n- {action: create, user: u, name: stolen, "+source+"}\n")
		if got := m.outcome(name + ".yaml"); got != "failed" || !strings.Contains(m.read(name+".yaml.failed.reason"), "manifests here may") {
			t.Errorf("%s: %s, %s", name, got, m.read(name+".yaml.failed.reason"))
		}
	}
}
