package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signer is a directory with a key of ssh-keygen, and the allowed_signers that
// has it.
type signer struct {
	t   *testing.T
	dir string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	requireTool(t, "ssh-keygen")
	s := &signer{t: t, dir: t.TempDir()}
	s.keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", s.path("key"))
	public, err := os.ReadFile(s.path("key.pub"))
	if err == nil {
		err = os.WriteFile(s.path("allowed"), append([]byte("alice@example.com "), public...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *signer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *signer) keygen(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

// sign is what "ssh-keygen -Y sign" puts beside a file with that text.
func (s *signer) sign(text string) string {
	s.t.Helper()
	file := s.path("manifest")
	_ = os.Remove(file + ".sig") // or ssh-keygen asks
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.keygen("-q", "-Y", "sign", "-n", "tokendrop", "-f", s.path("key"), file)
	sig, err := os.ReadFile(file + ".sig")
	if err != nil {
		s.t.Fatal(err)
	}
	return string(sig)
}

// signedMachine wants signatures in its drop directory.
func signedMachine(s *signer, keys ...string) *machine {
	return newMachine(s.t, append([]string{"[drop.policy]", `allowed_signers = "` + s.path("allowed") + `"`}, keys...)...)
}

func signed(serial string) string {
	return "for: spool/x.yaml\nserial: " + serial + "\ntokens: [{action: ensure, user: u, name: t, token: '" + tokenA + "'}]\n"
}

// A patch is installed once it is signed, whichever of its two files comes
// first, and neither its files nor older ones can be dropped again.
func TestSigned(t *testing.T) {
	s := newSigner(t)
	m := signedMachine(s)
	m.put("x.yaml", signed("1"))
	m.start() // ready, though the patch waits
	if got := m.verify(tokenA); !strings.HasPrefix(got, "401") {
		t.Errorf("unsigned: %s", got)
	}
	m.put("x.yaml.sig", s.sign(signed("1")))
	m.expectBoth("installed")
	if got := m.verify(tokenA); got != "200 "+keyA {
		t.Errorf("signed: %s", got)
	}
	if h := m.history(); len(h) != 1 || h[0].Author != "alice@example.com" {
		t.Errorf("history: %+v", h)
	}
	for text, want := range map[string]string{
		signed("1"): `x.yaml:2:9: policy: allowed_signers: "serial" is not higher`,
		signed("2"): "x.yaml: policy: allowed_signers: the signature does not fit the file",
	} {
		m.put("x.yaml.sig", s.sign(signed("1")))
		m.put("x.yaml", text)
		m.expectBoth("failed")
		if reason := m.read("x.yaml.failed.reason"); !strings.HasPrefix(reason, want) {
			t.Errorf("%s, want %s", reason, want)
		}
	}
	m.put("x.yaml.sig", s.sign(signed("2")))
	m.put("x.yaml", signed("2"))
	m.expectBoth("installed")
	if m.exists("x.yaml.sig.failed") || m.exists("x.yaml.failed") {
		t.Error("it is installed, and the failure is still there")
	}
}

// What nobody signs in time fails.
func TestNotSigned(t *testing.T) {
	s := newSigner(t)
	m := signedMachine(s, `signature_wait = "1s"`)
	m.start()
	m.put("x.yaml", signed("1"))
	if got := m.outcome("x.yaml"); got != "failed" {
		t.Errorf("unsigned: %s", got)
	}
	if reason := m.read("x.yaml.failed.reason"); !strings.HasPrefix(reason, "x.yaml: policy: allowed_signers: the file has no signature") {
		t.Error(reason)
	}
}

// kill -9 at random moments, between the two files of a patch too: no patch
// loses its signature, and none is applied twice, though it could be dropped
// again only with a higher serial.
func TestKillSigned(t *testing.T) {
	const rounds, perRound = 8, 6
	s := newSigner(t)
	m := signedMachine(s)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := map[string]bool{}
	for round := range rounds {
		type file struct{ name, text string }
		var files []file
		for i := range perRound {
			name := fmt.Sprintf("%d-%d.yaml", round, i)
			names[name] = true
			text := fmt.Sprintf("for: spool/%[1]s\nserial: 1\ntokens: [{action: create, user: u, name: %[1]s, generate: true}]\n", name)
			files = append(files, file{name, text}, file{name + ".sig", s.sign(text)})
		}
		random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		notify := m.launch()
		killed := time.After(firstStart + time.Duration(random.Int64N(int64(killWithin))))
		for _, f := range files {
			m.put(f.name, f.text)
		}
		<-killed
		m.kill()
		notify.Close()
	}
	m.start()
	for name := range names {
		if got := m.outcome(name); got != "installed" || !m.exists(name+".sig.installed") || m.exists(name+".sig") {
			t.Errorf("%s is %s: %s", name, got, m.read(name+".failed.reason"))
		}
	}
	if h := m.history(); len(h) != len(names) {
		t.Errorf("the ledger has %d entries for %d patches", len(h), len(names))
	}
	m.stop()
	if left := m.claims(); len(left) > 0 {
		t.Errorf("claims are left: %v", left)
	}
}

// expectBoth waits for the outcome of x.yaml and compares that of its
// signature, which is there already.
func (m *machine) expectBoth(want string) {
	m.t.Helper()
	if got := m.outcome("x.yaml"); got != want {
		m.t.Errorf("x.yaml: %s, want %s\n%s", got, want, m.read("x.yaml.failed.reason"))
	}
	if !m.exists("x.yaml.sig."+want) || m.exists("x.yaml.sig") {
		m.t.Errorf("x.yaml.sig is not %s", want)
	}
}
