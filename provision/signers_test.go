package provision

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// lineKey is a key that no line of the tests has by chance.
func lineKey(t testing.TB) (key ssh.PublicKey, line string) {
	t.Helper()
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// signerLines are lines of allowed_signers, with KEY in the place of the type
// and the key, and why each cannot be used, if it cannot.
var signerLines = map[string]string{
	`alice KEY`:                    "",
	`alice KEY a comment`:          "",
	"\talice@here,*@there\tKEY\tx": "",
	`"alice smith,bob" KEY`:        "",
	`"alice"KEY`:                   "a quote at one end only",
	`"alice KEY`:                   "a quote at one end only",
	`al"ice" KEY`:                  "have a quote inside",
	`* KEY`:                        "",
	`!bob,alice KEY`:               "",
	`!bob KEY`:                     "admit nobody",
	`alice,!* KEY`:                 "admit nobody",
	`alice,!al?ce KEY`:             "admit nobody",
	`, KEY`:                        "admit nobody",
	`alice`:                        "has no key",
	`alice ssh-ed25519`:            "has no key",
	`alice namespaces="a"`:         "has no key",
	`KEY`:                          "has no key",
	`alice ssh-ed25519 AAAA`:       "damaged",
	`alice ssh-ed25519 A*A=`:       "not in base64",
	`alice ssh-rsa BLOB`:           "not of the type in front of it",
	`alice ssh-dss BLOB`:           "of a type that may not sign here",
	`alice ssh-ed25519-cert-v01@openssh.com BLOB`:                 "of a type that may not sign here",
	`alice namespaces="tokendrop" KEY`:                            "",
	`alice NameSpaces="x,token?rop" KEY`:                          "",
	`alice namespaces="a b,*" KEY`:                                "",
	`alice namespaces="a\"b,*" KEY`:                               "",
	`alice namespaces="" KEY`:                                     "",
	`alice namespaces="!*" KEY`:                                   "",
	`alice namespaces=tokendrop KEY`:                              "written in quotes",
	`alice namespaces="tokendrop KEY`:                             "does not end",
	`alice namespaces KEY`:                                        "not known",
	`alice namespaces="a",namespaces="b" KEY`:                     `it has "namespaces" twice`,
	`alice namespaces="*"x KEY`:                                   "no comma",
	`alice namespaces="*", KEY`:                                   "not known",
	`alice ,namespaces="*" KEY`:                                   "not known",
	`alice namespaces="*" , KEY`:                                  "of a type that may not sign here",
	`alice cert-authority KEY`:                                    `"cert-authority" is not supported`,
	`alice Cert-Authority,namespaces="*" KEY`:                     `"cert-authority" is not supported`,
	`alice no-touch-required KEY`:                                 "not known",
	`alice principals="alice" KEY`:                                "not known",
	`alice valid-before="20260601" KEY`:                           "",
	`alice valid-before="20260602" KEY`:                           "",
	`alice valid-before="20270101" KEY`:                           "",
	`alice valid-before="20260601120000Z" KEY`:                    "",
	`alice valid-before="20260601115959Z" KEY`:                    "",
	`alice valid-before="202606011200" KEY`:                       "",
	`alice valid-after="202606011200" KEY`:                        "",
	`alice valid-after="20260531" KEY`:                            "",
	`alice valid-after="20260602Z" KEY`:                           "",
	`alice valid-after="20260101Z",valid-before="20270101Z" KEY`:  "",
	`alice valid-after="20270101Z",valid-before="20260101Z" KEY`:  `"valid-before" is not later`,
	`alice valid-after="20270101Z",valid-before="20270101Z" KEY`:  `"valid-before" is not later`,
	`alice valid-before="2027" KEY`:                               "is written YYYYMMDDZ",
	`alice valid-before="20271301" KEY`:                           "is written YYYYMMDDZ",
	`alice valid-before="2027-01-01" KEY`:                         "is written YYYYMMDDZ",
	`alice valid-before="" KEY`:                                   "is written YYYYMMDDZ",
	`alice valid-before="20270101ZZ" KEY`:                         "is written YYYYMMDDZ",
	`alice valid-before="20270101Z",valid-before="20280101Z" KEY`: `it has "valid-before" twice`,
	"alice\x00 KEY":                                               "NUL",
}

func signerLine(pattern, key string) string {
	_, blob, _ := strings.Cut(key, " ")
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "KEY", key), "BLOB", blob)
}

func TestSignerLines(t *testing.T) {
	_, key := lineKey(t)
	for pattern, want := range signerLines {
		s := parseSigners("# first\n\n" + signerLine(pattern, key) + "\nlast " + key)
		got := ""
		for _, wrong := range s.wrong {
			got += wrong.In("allowed_signers")
		}
		switch {
		case want == "" && len(s.usable) != 2:
			t.Errorf("%s: %s", pattern, got)
		case want != "" && (len(s.usable) != 1 || !strings.Contains(got, want) || !strings.HasPrefix(got, "allowed_signers:3:1: ")):
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// Whom a line admits here, real ssh-keygen admits too, in the same time zone, and
// whom a line does not admit because of the time, ssh-keygen does not admit.
func TestSignersAgainstKeygen(t *testing.T) {
	k := newKeys(t, "ed25519-1")
	sig := k.path("sig")
	if err := os.WriteFile(sig, k.sign("ed25519-1", "tokendrop", "x"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSuffix(k.public("ed25519-1"), " ed25519-1@here")
	admitted := 0
	for pattern := range signerLines {
		line := signerLine(pattern, key)
		file := k.path("allowed")
		if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for zone, offset := range map[string]int{"UTC": 0, "EAST-14": 14, "WEST12": -12} {
			now := signedAt.In(time.FixedZone(zone, offset*60*60))
			principal, here := verifySignature([]byte("x"), read(t, sig), parseSigners(line), now)
			if here == nil {
				admitted++
			} else if !strings.Contains(here.Error(), "valid before") && !strings.Contains(here.Error(), "valid until") {
				continue
			} else {
				principal = "alice"
			}
			cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", file, "-I", principal, "-n", "tokendrop",
				"-s", sig, "-O", "verify-time="+signedAt.Format("20060102150405Z"))
			cmd.Env, cmd.Stdin = append(os.Environ(), "TZ="+zone), strings.NewReader("x")
			out, err := cmd.CombinedOutput()
			if (err == nil) != (here == nil) {
				t.Errorf("%s in %s: %v, and ssh-keygen says %v:\n%s", line, zone, here, err, out)
			}
		}
	}
	if admitted < 30 {
		t.Errorf("only %d lines admit anybody", admitted)
	}
}

func TestMatchList(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		want       bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "", false},
		{"", "", true},
		{"", "*", true},
		{"a", "b,a", true},
		{"abc", "a*c", true},
		{"abc", "a?c", true},
		{"abc", "?", false},
		{"abc", "*", true},
		{"abc", "a*b", false},
		{"abcabd", "*ab?", true},
		{"abcabd", "*abd*", true},
		{"aab", "*ab", true},
		{"abc", "a**c", true},
		{"ac", "a?c", false},
		{"abc", "*,!a*", false},
		{"abc", "!a*,*", false},
		{"abc", "!b,*", true},
		{"abc", "!b", false},
		{"ABC", "abc", false},
	} {
		if got := matchList(tt.name, tt.list); got != tt.want {
			t.Errorf("%q in %q: %v", tt.name, tt.list, got)
		}
	}
}

// No text admits a key that it does not hold.
func FuzzSigners(f *testing.F) {
	key, line := lineKey(f)
	_, blob, _ := strings.Cut(line, " ")
	for pattern := range signerLines {
		f.Add(signerLine(pattern, line))
		f.Add("# x\r\n" + signerLine(pattern, line) + "\r\n" + signerLine(pattern, line))
	}
	other := base64.StdEncoding.EncodeToString([]byte(blob))
	f.Add(fmt.Sprintf("alice ssh-ed25519 %s", other))
	f.Add(fmt.Sprintf("alice ssh-ed25519 %s\r%s", blob[:9], blob[9:]))
	f.Fuzz(func(t *testing.T, text string) {
		s := parseSigners(text)
		principal, err := s.find(key, signedAt)
		if err != nil {
			return
		}
		if !strings.Contains(text, blob) {
			t.Errorf("admits a key that it does not hold")
		}
		if principal == "" || !strings.Contains(text, principal) {
			t.Errorf("the principal %q is not in it", principal)
		}
	})
}
