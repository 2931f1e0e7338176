package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A token of Strapi's under its salt, as in provision/digests_test.go.
const (
	strapiSalt   = "c2FsdCBvZiB0aGUgdGVzdA=="
	strapiToken  = "ede8156f66c6fc67cc575561bb22f66b403f54428d57a643b68f7f7e5605a27ce0898251f8acbece480846f1bab0182de9b7121d98e223b31bcca18b612b0b38ae506296762ee6b95fc5e8683e05fad3b04bf7a1c86f6c3b7b49375e1631ebbed90e50dd257b526241764ca37ba1d0ab59a58848b66f17a60a00ab4f6b5e15e9"
	strapiDigest = "hmac-sha512:strapi:36c4d9461198c122624ce6b572abb9fac3ed512b6d2b810617e4c2d12b626b273df97e9617ab9515d3f150f274ab40d68c93919f2930096f6920f4e95dc06fd6"
	strapiKey    = "1937afb7-a871-8fed-4922-0ec1a00cfb1f"
	strapiNative = "1e284641-1f7d-2530-b7af-3209b66d9f32"
)

// file writes a secret of the configuration, and returns its path.
func (m *machine) file(name, text string) string {
	m.t.Helper()
	path := m.root + "/" + name
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// further replaces what follows the machine's own configuration.
func (m *machine) further(text string) {
	m.t.Helper()
	data, err := os.ReadFile(m.config())
	if err != nil {
		m.t.Fatal(err)
	}
	own, _, _ := strings.Cut(string(data), "\n# further\n")
	if err := os.WriteFile(m.config(), []byte(own+"\n# further\n"+text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// refusesToStart expects the daemon, and a command that opens the store itself,
// to end because of the configuration, and returns what they say.
func (m *machine) refusesToStart() string {
	m.t.Helper()
	var said string
	for _, command := range []string{"list", "serve"} {
		cmd := exec.Command("tokendrop", command, "--config", m.config())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitConfig {
			m.t.Errorf("%s: %v, want exit code %d\n%s", command, err, exitConfig, &stderr)
		}
		said = stderr.String()
	}
	return said
}

// rehashed waits until the ledger has n entries of credentials in a new form.
func (m *machine) rehashed(n int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		found := 0
		for _, e := range m.history() {
			for _, c := range e.Entries {
				if c.Action == "rehash" {
					found++
				}
			}
		}
		if found == n {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%d credentials have a new form, want %d\n%s", found, n, m.log)
		}
	}
}

// The life of a store whose peppers come, change and go.
func TestPeppers(t *testing.T) {
	m := newMachine(t)
	old, next := m.file("old", "the pepper of last year\n"), m.file("next", "the pepper of this year\n")
	good := map[string]string{tokenA: "200 " + keyA, tokenHex: "200 " + keyHex, changedA: notThere}
	byLiteral := edit("create", ", token: "+tokenA) + "  - {action: ensure, user: u, name: o, digest: '" + digestHex + "'}\n"

	m.start()
	m.install("a.yaml", byLiteral)
	m.expect("plain", good)
	m.stop()

	m.further(fmt.Sprintf("[tokens]\npepper_files = [%q]\n", old))
	m.start()
	m.install("a.yaml", manifestA)
	m.expect("with a pepper", good)
	m.rehashed(2)
	m.expect("under the pepper", good)
	m.stop()

	m.further(fmt.Sprintf("[tokens]\npepper_files = [%q, %q]\n", next, old))
	m.start()
	if got := m.verify(tokenA); got != "200 "+keyA { // the other one is not used
		t.Errorf("under two peppers: %s", got)
	}
	m.rehashed(3)
	m.install("a.yaml", byLiteral)
	for _, tok := range m.list() {
		if tok.Generation != 1 || !tok.IssuedAt.Equal(*tok.CreatedAt) || !tok.UpdatedAt.Equal(*tok.CreatedAt) {
			t.Errorf("%s was issued anew: %+v", tok.Name, tok)
		}
	}
	m.stop()

	for what, files := range map[string]string{
		"no pepper": "", "the old pepper is gone": fmt.Sprintf("%q", next), "the new one is gone": fmt.Sprintf("%q", old),
		"another one of that length": fmt.Sprintf("%q, %q", m.file("wrong", "the pepper of next year\n"), old),
	} {
		m.further("[tokens]\npepper_files = [" + files + "]\n")
		if said := m.refusesToStart(); !strings.Contains(said, "tokens.pepper_files: ") || !strings.Contains(said, " stored under the pepper ") {
			t.Errorf("%s: %s", what, said)
		}
	}
	m.further(fmt.Sprintf("[tokens]\npepper_files = [%q, %q]\n", next, old))
	m.start()
	m.expect("with both again", good)
	m.rehashed(4)
	m.stop()
	m.further(fmt.Sprintf("[tokens]\npepper_files = [%q]\n", next))
	m.start()
	m.expect("when none needs the old pepper", good)
}

// A token that another product made is imported by what that kept of it, is good,
// and becomes native when it is used.
func TestImport(t *testing.T) {
	m := newMachine(t)
	imports := "[tokens.import.strapi]\nsalt_file = \"" + m.file("salt", strapiSalt+"\n") + "\"\n"
	create := "tokens:\n- {action: create, user: u, name: n, digest: '" + strapiDigest + "'}\n"
	m.start()
	m.put("a.yaml", create)
	if got := m.outcome("a.yaml"); got != "failed" || !strings.Contains(m.read("a.yaml.failed.reason"), "[tokens.import.ID]") {
		t.Errorf("without the import: %s, %s", got, m.read("a.yaml.failed.reason"))
	}
	m.stop()

	m.further(imports)
	m.start()
	m.install("a.yaml", create)
	if got := m.key("n"); got != strapiKey {
		t.Errorf("the imported token has the key %s", got)
	}
	m.stop()
	m.further("")
	if said := m.refusesToStart(); !strings.Contains(said, "tokens.import.strapi: 1 credential is stored as another product kept") {
		t.Errorf("without the salt: %s", said)
	}
	m.further(imports)
	m.start()
	m.expect("imported", map[string]string{strapiToken: "200 " + strapiKey, strapiToken[1:]: notThere})
	m.rehashed(1)
	m.expect("native", map[string]string{strapiToken: "200 " + strapiNative})
	if got := m.key("n"); got != strapiNative {
		t.Errorf("the native token has the key %s", got)
	}
	m.kill()
	m.further("")
	m.start()
	m.expect("without the salt", map[string]string{strapiToken: "200 " + strapiNative})
	if out, err := m.run("show", strapiKey); err != nil || !bytes.Contains(out, []byte(strapiNative)) {
		t.Errorf("the former key shows %s, %v", out, err)
	}
	m.stop()

	m.further(imports)
	m.start()
	m.install("a.yaml", create)
	if h := m.history(); h[len(h)-1].Changed {
		t.Error("dropping the import again changes the native token")
	}
	m.install("revoke.yaml", "tokens:\n- {action: revoke, key: "+strapiKey+"}\n")
	m.expect("revoked", map[string]string{strapiToken: notThere})
	for name, source := range map[string]string{"by-digest": "digest: '" + strapiDigest + "'", "by-text": "token: " + strapiToken} {
		m.put(name+".yaml", "tokens:\n- {action: create, user: u, name: n, "+source+"}\n")
		if got := m.outcome(name + ".yaml"); got != "failed" || !strings.Contains(m.read(name+".yaml.failed.reason"), "revoked") {
			t.Errorf("again %s: %s", name, got)
		}
	}
}

// With encryption keys a token can be shown again, by who can use the socket or
// open the store, and without them by nobody.
func TestReveal(t *testing.T) {
	m := newMachine(t)
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"
	m.start()
	m.install("before.yaml", manifestA)
	m.refuseToReveal("/users/root/a", "encryption_key_files")
	m.stop()

	m.further(fmt.Sprintf("[tokens]\nprefix = \"acme\"\nencryption_key_files = [%q]\n", m.file("key", key)))
	m.start()
	m.install("after.yaml", manifestBYAML+"- {action: create, user: u, name: g, generate: true}\n- {action: create, user: u, name: o, token: "+tokenHex+"}\n")
	m.refuseToReveal("/users/root/a", "not kept")
	m.refuseToReveal("/users/root/none", "no such token")
	for name, want := range map[string]string{"/users/root/b": tokenB, keyB: tokenB, "u/o": tokenHex} {
		if got := m.reveal(name); got != want+"\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	generated := strings.TrimSuffix(m.reveal("u/g"), "\n")
	if got := m.verify(generated); got != "200 "+m.key("g") || !strings.HasPrefix(generated, "acme_") {
		t.Errorf("the generated token: %s", got)
	}
	for _, command := range [][]string{{"list"}, {"list", "-o", "json"}, {"show", "u/g"}, {"show", "u/g", "-o", "json"}, {"history", "-o", "json"}} {
		if out, err := m.run(command...); err != nil || bytes.Contains(out, []byte(generated)) || bytes.Contains(out, []byte(tokenB)) {
			t.Errorf("%s shows a secret, or fails: %v", command, err)
		}
	}
	m.stop()
	if got := m.reveal("u/g"); got != generated+"\n" { // from the store itself
		t.Errorf("without a daemon: %q", got)
	}
	report(t, canariesOf(t, tokenB), "the log", []byte(m.log.String()))

	other := m.file("other", strings.Repeat("0f", 32))
	m.further(fmt.Sprintf("[tokens]\nencryption_key_files = [%q]\n", other))
	m.refuseToReveal("u/g", "again")
	m.further(fmt.Sprintf("[tokens]\nencryption_key_files = [%q, %q]\n", other, m.root+"/key"))
	if got := m.reveal("u/g"); got != generated+"\n" {
		t.Errorf("with another key before: %q", got)
	}
}

const manifestBYAML = "action: create\ntokens:\n- {user: /users/root, name: b, token: " + tokenB + "}\n"

func (m *machine) reveal(called string) string {
	m.t.Helper()
	out, err := m.run("show", called, "--reveal")
	if err != nil {
		m.t.Error(err)
	}
	return string(out)
}

func (m *machine) refuseToReveal(called, why string) {
	m.t.Helper()
	if out, err := m.run("show", called, "--reveal"); err == nil || len(out) > 0 || !strings.Contains(err.Error(), why) {
		m.t.Errorf("revealing %s: %q, %v", called, out, err)
	}
}

// What is wrong with the files of secrets is told before anything else, by the
// key that names them.
func TestFilesOfSecrets(t *testing.T) {
	m := newMachine(t)
	open := m.file("open", "the pepper of this year")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	m.further(fmt.Sprintf("[tokens]\npepper_files = [%q]\nencryption_key_files = [%q]\n[tokens.import.strapi]\nsalt_file = %q\n",
		open, m.file("short", "0123"), m.root+"/absent"))
	said := m.refusesToStart()
	for _, want := range []string{
		"tokens.pepper_files: " + open + " is open to others: run chmod g-w,o= " + open, "tokens.encryption_key_files: ",
		"tokens.import.strapi.salt_file: reading " + m.root + "/absent: no such file",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}
