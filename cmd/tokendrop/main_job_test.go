package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tokens made by a shipping product, and the same with a changed secret.
const (
	tokenA    = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="
	keyA      = "9201cd9b-4e62-415e-b523-e198dd7e4756"
	tokenB    = "Lfh/02b1SbuZX/u1JFqegMEljMZaPGbsqJf3ALY0AGo="
	keyB      = "2df87fd3-66f5-49bb-995f-fbb5245a9e80"
	changedA  = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubg="
	unknown   = "b765L5rYQO+vuQW+tWZZ4nYIp3/Qv2wk2Z27fNtmgOY="
	malformed = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk"
)

const (
	manifestA = `tokens:
  - action: create
    user: /users/root
    name: a
    key: 9201cd9b-4e62-415e-b523-e198dd7e4756
    digest: sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=
`
	manifestB = "[[tokens]]\naction = \"create\"\nuser = \"/users/root\"\nname = \"b\"\ntoken = \"" + tokenB + "\"\n"
)

func edit(action, rest string) string {
	return "tokens:\n  - {action: " + action + ", user: /users/root, name: a" + rest + "}\n"
}

func TestFirstStartup(t *testing.T) {
	m := newMachine(t)
	m.put("a.yaml", manifestA)
	m.put("b.toml", manifestB)
	m.start()
	for _, name := range []string{"a.yaml", "b.toml"} {
		if !m.exists(name + ".installed") {
			t.Errorf("ready, and %s is not installed", name)
		}
	}
	for token, want := range map[string]string{
		tokenA: "200 " + keyA, tokenB: "200 " + keyB,
		changedA: "401 invalid_token", unknown: "401 invalid_token", malformed: "401 invalid_token",
	} {
		if got := m.verify(token); got != want {
			t.Errorf("verify says %s, want %s", got, want)
		}
	}
}

// A change is seen by the next verify after its outcome shows.
func TestChangesAreSeenWithTheirOutcome(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("create.yaml", manifestA)
	for _, step := range []struct{ name, manifest, want string }{
		{"expire", edit("update", ", set: {expires_at: 2020-01-01}"), "401 expired"},
		{"revive", edit("update", ", set: {expires_at: never}"), "200 " + keyA},
		{"disable", edit("disable", ""), "401 disabled"},
		{"enable", edit("enable", ""), "200 " + keyA},
		{"delete", edit("delete", ""), "401 invalid_token"},
	} {
		m.install(step.name+".yaml", step.manifest)
		if got := m.verify(tokenA); got != step.want {
			t.Errorf("after %s verify says %s, want %s", step.name, got, step.want)
		}
	}
}

func TestOneBadEntryFailsThePatch(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.put("x.yaml", manifestA+"  - {action: enable, user: nobody, name: nothing}\n")
	if got := m.outcome("x.yaml"); got != "failed" {
		t.Fatalf("outcome %s", got)
	}
	if reason := m.read("x.yaml.failed.reason"); !strings.HasPrefix(reason, "x.yaml:7:") || strings.Count(reason, "\n") != 1 {
		t.Errorf("reason: %q", reason)
	}
	if got := m.verify(tokenA); got != "401 invalid_token" {
		t.Errorf("verify says %s: a part was applied", got)
	}
	if h := m.history(); len(h) != 1 || h[0].Outcome != "failed" || h[0].Changed {
		t.Errorf("history: %+v", h)
	}
}

// No literal secret is left anywhere once its patch is installed: not in the
// file, the store, the log, an error. The canary is the secret's text, its
// bytes, and the bytes in hex.
func TestNoSecretIsLeft(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("lit.yaml", "# "+tokenB+" goes to the build server\ntokens:\n  - {action: create, user: u, name: n, token: "+tokenB+"}\n")
	m.install("lit.json", `{"tokens": [{"action": "ensure", "user": "u", "name": "n", "token": "`+strings.ReplaceAll(tokenB, "/", `\/`)+`"}]}`)
	m.put("gone.yaml", "on_success: remove\n"+edit("create", ", token: "+tokenA))
	if got := m.outcome("gone.yaml"); got != "removed" {
		t.Errorf("on_success: remove ends in %s", got)
	}
	m.put("bad.yaml", "tokens:\n  - {action: create, user: u, name: "+tokenA+"x\", token: "+tokenA+"}\n")
	m.put("bad2.yaml", "tokens:\n  - {action: create, user: u, name: m, token: "+changedA+"x, "+changedA+": 1}\n")
	for _, name := range []string{"bad.yaml", "bad2.yaml"} {
		if got := m.outcome(name); got != "failed" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := m.verify(tokenB); got != "200 "+keyB {
		t.Errorf("verify says %s", got)
	}
	m.stop()
	canaries := canariesOf(t, tokenA, tokenB, changedA)
	count := 0
	err := filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		// a failed patch keeps its text for retry
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".failed") {
			return err
		}
		count++
		data, err := os.ReadFile(path)
		report(t, canaries, path, data)
		return err
	})
	if err != nil || count < 8 {
		t.Errorf("searched %d files: %v", count, err)
	}
	report(t, canaries, "the log", []byte(m.log.String()))
}

func report(t *testing.T, canaries map[string][]byte, where string, data []byte) {
	for what, canary := range canaries {
		if bytes.Contains(data, canary) {
			t.Errorf("%s holds %s", where, what)
		}
	}
}

// canariesOf spells the secrets of tokens in every way they could be kept.
func canariesOf(t *testing.T, tokens ...string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, text := range tokens {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		found["the text of "+text[:4]] = []byte(text)
		found["the escaped text of "+text[:4]] = []byte(strings.ReplaceAll(text, "/", `\/`))
		found["the end of the text of "+text[:4]] = []byte(text[24:])
		found["the bytes of "+text[:4]] = raw[16:]
		found["the hex of "+text[:4]] = []byte(hex.EncodeToString(raw[16:]))
	}
	return found
}
