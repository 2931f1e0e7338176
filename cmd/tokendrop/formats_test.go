package main

import (
	"os"
	"strings"
	"testing"
)

// A token with a prefix, one with a former prefix, and those of another product
// (store/token/testdata/vectors.json, and SHA-256).
const (
	tokenAcme   = "acme_EZ3KY1AKyo64I0c0tFQW6OXKWm4ugKXDsNyKeFDbbQp2v0sJ2"
	keyAcme     = "3d6c64b9-79fa-43e6-9a01-6072abc92dd8"
	digestAcme  = "sha256:OsdWXx/Rn/EKTSOrt4QRNCLfkjdET5IBiqEBpsNdhBE="
	tokenOld    = "old_w0YZ1gU1VTG5xjOFi9ZmOkcVXvAWgTN6u7PltbJIeH74MtUxe"
	keyOld      = "f4a0f076-4936-443d-94c7-bf0d45d8020c"
	tokenHex    = "4f1c2e9a7b3d5f60718293a4b5c6d7e8f9012345"
	keyHex      = "e975ccd1-9ff7-9761-7a15-88204ea74d52"
	digestHex   = "sha256:6XXM0Z/3l2F6FYggTqdNUtbWlb3Pc/mYeZePdsDYp00="
	wrongAcme   = "acme_EZ3KY1AKyo64I0c0tFQW6OXKWm4ugKXDsNyKeFDbbQp2v0sJ3"
	notThere    = "401 invalid_token"
	literalsYML = `tokens:
- {action: create, user: u, name: prefixed, token: ` + tokenAcme + `}  # is ` + tokenAcme + `
- {action: create, user: u, name: former, token: ` + tokenOld + `}
- {action: create, user: u, name: opaque, token: ` + tokenHex + `}  # was ` + tokenHex + `
- {action: create, user: u, name: standard, token: '` + tokenA + `'}
`
)

// prefixed is a machine whose tokens have a prefix.
func prefixed(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.addConfig("[tokens]\nprefix = \"acme\"\nformer_prefixes = [\"old\"]\n")
	return m
}

// addConfig adds to the configuration.
func (m *machine) addConfig(text string) {
	m.t.Helper()
	f, err := os.OpenFile(m.config(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = f.WriteString("\n" + text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// expect asks the gate about tokens, and the command line about the first.
func (m *machine) expect(when string, answers map[string]string) {
	m.t.Helper()
	for token, want := range answers {
		if got := m.verify(token); got != want {
			m.t.Errorf("%s, %s: %s, want %s", when, token, got, want)
		}
		if out, err := m.run("verify", token); (err == nil) != strings.HasPrefix(want, "200 ") {
			m.t.Errorf("%s, verify %s: %s, %v", when, token, out, err)
		}
	}
}

// The life of a token of each format, from literals to the last of them.
func TestFormats(t *testing.T) {
	m := prefixed(t)
	m.start()
	m.install("literals.yaml", literalsYML)
	all := map[string]string{
		tokenAcme: "200 " + keyAcme, tokenOld: "200 " + keyOld, tokenHex: "200 " + keyHex, tokenA: "200 " + keyA,
		wrongAcme: notThere, changedA: notThere, strings.ToUpper(tokenHex): notThere,
	}
	m.expect("installed", all)
	text := m.read("literals.yaml.installed")
	for token := range all {
		if strings.Contains(text, token) {
			t.Errorf("a secret is left:\n%s", text)
		}
	}
	if n := strings.Count(text, "REDACTED"); n != 6 {
		t.Errorf("%d secrets are redacted, want 6:\n%s", n, text)
	}
	m.kill()
	m.start()
	m.expect("after a restart", all)

	// A generated secret keeps its key, and gets a new one for an opaque token.
	m.install("regenerate.yaml", `tokens:
- {action: regenerate, user: u, name: prefixed}
- {action: regenerate, user: u, name: opaque, grace: 1h}
`)
	m.expect("regenerated", map[string]string{tokenAcme: notThere, tokenHex: "200 " + keyHex})
	if got := m.key("prefixed"); got != keyAcme {
		t.Errorf("the regenerated prefixed token has key %s", got)
	}
	if got := m.key("opaque"); got == keyHex {
		t.Error("the regenerated opaque token keeps its key")
	}

	// Revoked is every key, and so the opaque one that was in grace.
	m.install("revoke.yaml", `tokens:
- {action: revoke, token: `+tokenAcme+`}
- {action: revoke, user: u, name: opaque}
`)
	m.expect("revoked", map[string]string{tokenAcme: notThere, tokenHex: notThere, tokenOld: "200 " + keyOld})
	for name, source := range map[string]string{"acme": "token: " + tokenAcme, "hex": "digest: '" + digestHex + "'"} {
		m.put(name+".yaml", "tokens:\n- {action: create, user: v, name: w, "+source+"}\n")
		if got := m.outcome(name + ".yaml"); got != "failed" || !strings.Contains(m.read(name+".yaml.failed.reason"), "revoked") {
			t.Errorf("%s again: %s, %s", name, got, m.read(name+".yaml.failed.reason"))
		}
	}
}

// key is the key of a token of the user u.
func (m *machine) key(name string) string {
	m.t.Helper()
	for _, tok := range m.list() {
		if tok.User == "u" && tok.Name == name {
			return tok.Key.String()
		}
	}
	m.t.Fatalf("there is no token %s", name)
	return ""
}

// The same tokens without a secret in the manifest.
func TestFormatsByDigest(t *testing.T) {
	m := prefixed(t)
	m.start()
	m.install("digests.yaml", `action: create
tokens:
- {user: u, name: prefixed, key: `+keyAcme+`, digest: '`+digestAcme+`'}
- {user: u, name: opaque, digest: '`+digestHex+`'}
`)
	m.expect("by digest", map[string]string{tokenAcme: "200 " + keyAcme, tokenHex: "200 " + keyHex})
}

// What was mistyped behind a prefix never becomes another product's token.
func TestWrongChecksumFails(t *testing.T) {
	m := prefixed(t)
	m.start()
	m.put("a.yaml", "tokens:\n- {action: create, user: u, name: n, token: "+wrongAcme+"}\n")
	reason := "does not agree with its checksum"
	if got := m.outcome("a.yaml"); got != "failed" || !strings.Contains(m.read("a.yaml.failed.reason"), reason) {
		t.Errorf("%s: %s", got, m.read("a.yaml.failed.reason"))
	}
	m.expect("failed", map[string]string{wrongAcme: notThere})
}

// What was imported as another product's token before its prefix was
// configured stays good, and so do tokens of a prefix that is former by now.
func TestPrefixComesLater(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", "tokens:\n- {action: create, user: u, name: n, token: "+tokenAcme+"}\n")
	const opaqueKey = "88e1a41d-6b05-5961-bc04-d7aa05f71508"
	m.expect("before", map[string]string{tokenAcme: "200 " + opaqueKey})
	m.stop()
	m.addConfig("[tokens]\nprefix = \"new\"\nformer_prefixes = [\"acme\"]\n")
	m.start()
	m.expect("after", map[string]string{tokenAcme: "200 " + opaqueKey})
}

// What validate says offline is what the daemon will say.
func TestValidateKnowsThePrefixes(t *testing.T) {
	m := prefixed(t)
	file := m.spare + "/a.yaml"
	if err := os.WriteFile(file, []byte("tokens:\n- {action: create, user: u, name: n, token: "+wrongAcme+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := m.run("validate", file)
	if err == nil || !strings.Contains(string(out), file+":2:45: \"token\" does not agree with its checksum") {
		t.Errorf("%s, %v", out, err)
	}
}
