package provision

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// keys is a directory of key pairs that ssh-keygen has made.
type keys struct {
	t   testing.TB
	dir string
}

// newKeys skips a test on machines without ssh-keygen.
func newKeys(t testing.TB, names ...string) *keys {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("needs ssh-keygen")
	}
	k := &keys{t: t, dir: t.TempDir()}
	for _, name := range names { // ed25519, or rsa-2, ecdsa-1 and so on
		kind, _, _ := strings.Cut(name, "-")
		k.keygen(nil, "-q", "-t", kind, "-N", "", "-C", name+"@here", "-f", k.path(name))
	}
	return k
}

func (k *keys) path(name string) string { return filepath.Join(k.dir, name) }

// keygen runs ssh-keygen and returns its output.
func (k *keys) keygen(stdin []byte, args ...string) []byte {
	k.t.Helper()
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("ssh-keygen %q: %v", args, err)
	}
	return out
}

// public is the type and the key, as a line of allowed_signers has them.
func (k *keys) public(name string) string {
	k.t.Helper()
	return strings.TrimSpace(string(read(k.t, k.path(name+".pub"))))
}

func (k *keys) sign(name, namespace, message string) []byte {
	k.t.Helper()
	return k.keygen([]byte(message), "-q", "-Y", "sign", "-n", namespace, "-f", k.path(name))
}

var signedAt = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// What ssh-keygen makes with each kind of key is accepted, and nothing else.
func TestSignatures(t *testing.T) {
	k := newKeys(t, "ed25519-1", "ed25519-2", "rsa-1", "ecdsa-1")
	const message = "tokens: []\n"
	good := k.sign("ed25519-1", "tokendrop", message)
	allowed := fmt.Sprintf("# who may\n\nalice@here,bob %s\n  carol\t%s\r\ndave namespaces=\"file,tokendrop\" %s", k.public("ed25519-1"), k.public("rsa-1"), k.public("ecdsa-1"))
	one := func(options string) string { return "alice " + options + " " + k.public("ed25519-1") }
	for name, tt := range map[string]struct {
		message, allowed string
		signature        []byte
		want             string // the principal, or what the error says
	}{
		"ed25519":           {message, allowed, good, "alice@here"},
		"rsa":               {message, allowed, k.sign("rsa-1", "tokendrop", message), "carol"},
		"ecdsa":             {message, allowed, k.sign("ecdsa-1", "tokendrop", message), "dave"},
		"empty message":     {"", allowed, k.sign("ed25519-1", "tokendrop", ""), "alice@here"},
		"missing":           {message, allowed, nil, "the file has no signature"},
		"empty":             {message, allowed, []byte{}, "is no signature"},
		"text":              {message, allowed, []byte(message), "is no signature"},
		"a key":             {message, allowed, read(t, k.path("ed25519-1")), "is no signature"},
		"twice":             {message, allowed, append(bytes.Clone(good), good...), "is no signature"},
		"text before":       {message, allowed, append([]byte("x\n"), good...), "is no signature"},
		"text behind":       {message, allowed, append(bytes.Clone(good), "x\n"...), "is no signature"},
		"blank behind":      {message, allowed, append(bytes.Clone(good), '\n'), "is no signature"},
		"CRLF":              {message, allowed, bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), "is no signature"},
		"half":              {message, allowed, good[:len(good)/2], "is no signature"},
		"no end of line":    {message, allowed, bytes.TrimSuffix(good, []byte("\n")), "alice@here"},
		"damaged":           {message, allowed, []byte(signatureBegin + "U1NIU0lHAAAAAQ==" + signatureEnd), "is damaged"},
		"other namespace":   {message, allowed, k.sign("ed25519-1", "file", message), "another namespace"},
		"other key":         {message, allowed, k.sign("ed25519-2", "tokendrop", message), "a key that is not in the file (SHA256:"},
		"changed byte":      {"tokens: [ ]\n", allowed, good, "does not fit the file"},
		"cut message":       {message[1:], allowed, good, "does not fit the file"},
		"nobody":            {message, "", good, "a key that is not in the file"},
		"namespaces":        {message, one(`namespaces="git"`), good, "may not sign in the namespace tokendrop"},
		"namespaces *":      {message, one(`namespaces="*"`), good, "alice"},
		"namespaces !":      {message, one(`namespaces="*,!token*"`), good, "may not sign in the namespace tokendrop"},
		"valid before":      {message, one(`valid-before="20260601115959Z"`), good, "was valid until 2026-06-01T11:59:59Z"},
		"valid before, now": {message, one(`valid-before="20260601120000Z"`), good, "alice"},
		"valid after":       {message, one(`valid-after="202606011201Z"`), good, "is not valid before 2026-06-01T12:01:00Z"},
		"valid after, now":  {message, one(`valid-after="202606011200Z"`), good, "alice"},
		"valid between":     {message, one(`Valid-After="20260601Z",VALID-BEFORE="20260602Z",namespaces="tokendrop"`), good, "alice"},
		"before, no zone":   {message, one(`valid-before="202606011159"`), good, "was valid until 2026-06-01T11:59:00Z"},
		"after, no zone":    {message, one(`valid-after="20260601"`), good, "alice"},
		"after, no zone 2":  {message, one(`valid-after="202606011201"`), good, "is not valid before 2026-06-01T12:01:00Z"},
		"second line":       {message, one(`namespaces="git"`) + "\n" + one(`valid-after="2030Z"`) + "\nbob " + k.public("ed25519-1"), good, "bob"},
		"authority":         {message, one("cert-authority"), good, "its line 1 cannot be used: \"cert-authority\" is not supported"},
		"unknown option":    {message, "# x\n" + one("no-touch-required"), good, "its line 2 cannot be used: it has an option that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			principal, err := verifySignature([]byte(tt.message), tt.signature, parseSigners(tt.allowed), signedAt)
			switch {
			case err == nil && principal != tt.want:
				t.Errorf("signed by %q, want %q", principal, tt.want)
			case err != nil && (principal != "" || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("by %q, with the error %q, want %q", principal, err, tt.want)
			}
		})
	}
}

// A byte that is changed anywhere in what the armor holds never makes another
// good signature.
func TestFlippedSignature(t *testing.T) {
	k := newKeys(t, "ed25519-1")
	good := k.sign("ed25519-1", "tokendrop", "x")
	allowed := parseSigners("alice " + k.public("ed25519-1"))
	sig, err := sshsig.Unarmor(good)
	if err != nil {
		t.Fatal(err)
	}
	blob := sig.Marshal()
	for i := range blob {
		blob[i] ^= 1
		if _, err := verifySignature([]byte("x"), armor(blob), allowed, signedAt); err == nil {
			t.Errorf("good with the byte %d changed", i)
		}
		if _, err := verifySignature([]byte("x"), armor(blob[:i]), allowed, signedAt); err == nil {
			t.Errorf("good when cut at %d", i)
		}
		blob[i] ^= 1
	}
	if _, err := verifySignature([]byte("x"), armor(blob), allowed, signedAt); err != nil {
		t.Errorf("the signature itself: %v", err)
	}
	if _, err := verifySignature([]byte("x"), armor(append(blob, 0)), allowed, signedAt); err == nil {
		t.Error("good with a byte behind it")
	}
	sig.Signature.Rest = []byte{0}
	if _, err := verifySignature([]byte("x"), armor(sig.Marshal()), allowed, signedAt); err == nil {
		t.Error("good with a byte behind the signature of the key")
	}
}

func armor(blob []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: blob})
}

// RSA with SHA-1, which ssh-keygen does not make any more.
func TestSignatureSHA1(t *testing.T) {
	k := newKeys(t, "rsa-1")
	key, err := ssh.ParsePrivateKey(read(t, k.path("rsa-1")))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha512.Sum512([]byte("x"))
	signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Algorithm, Hash string }{
		signatureNamespace, "", "sha512", string(hash[:]),
	})...)
	for algorithm, good := range map[string]bool{ssh.KeyAlgoRSA: false, ssh.KeyAlgoRSASHA256: true, ssh.KeyAlgoRSASHA512: true} {
		sig, err := key.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, signed, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		armored := sshsig.Armor(&sshsig.Signature{
			Version: 1, PublicKey: key.PublicKey(), Namespace: signatureNamespace, HashAlgorithm: sshsig.HashSHA512, Signature: sig,
		})
		_, err = verifySignature([]byte("x"), armored, parseSigners("alice "+k.public("rsa-1")), signedAt)
		if (err == nil) != good {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// A certificate is no key, and that of a listed authority is nobody's yet.
func TestSignatureByCertificate(t *testing.T) {
	k := newKeys(t, "ed25519-1", "ed25519-2")
	k.keygen(nil, "-q", "-s", k.path("ed25519-2"), "-I", "x", "-n", "alice", k.path("ed25519-1"))
	sig := k.sign("ed25519-1-cert.pub", "tokendrop", "x")
	for _, allowed := range []string{"alice " + k.public("ed25519-1"), "alice cert-authority " + k.public("ed25519-2"), "alice " + k.public("ed25519-1-cert")} {
		if _, err := verifySignature([]byte("x"), sig, parseSigners(allowed), signedAt); !errors.Is(err, errCertificate) {
			t.Errorf("%s: %v", allowed, err)
		}
	}
}
