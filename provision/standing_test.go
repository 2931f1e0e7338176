package provision

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// signing is a bench whose directory "spool" wants signatures.
type signing struct {
	*bench
	keys *keys
	n    byte
}

func newSigning(t *testing.T) *signing {
	s := &signing{bench: newBench(t), keys: newKeys(t, "ed25519-1", "ed25519-2")}
	s.allow("alice@here " + s.keys.public("ed25519-1"))
	s.configure()
	return s
}

func (s *signing) configure() {
	signed := Rules{Policy: &Policy{AllowedSigners: s.keys.path("allowed")}}
	s.Configure(Settings{Rules: map[string]Rules{"spool": signed, "other": signed, "free": {}}})
}

func (s *signing) allow(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.keys.path("allowed"), []byte(text+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// patch makes a patch that the first key has signed.
func (s *signing) patch(dir, path, text string) Patch {
	s.n++
	return Patch{
		ID: store.PatchID{s.n}, Source: store.Source{Dir: dir, Path: path}, Author: "deploy", Data: []byte(text),
		Signature: s.keys.sign("ed25519-1", "tokendrop", text),
	}
}

// apply returns the outcome, or the reasons of a failure.
func (s *signing) apply(p Patch) string {
	s.t.Helper()
	results, err := s.Apply(context.Background(), []Patch{p})
	if err != nil {
		s.t.Fatal(err)
	}
	if results[0].Outcome == store.Failed {
		return strings.Join(results[0].Reasons, "\n")
	}
	return results[0].Outcome.String()
}

func (s *signing) expect(p Patch, want string) {
	s.t.Helper()
	if got := s.apply(p); got != want && (want == "installed" || !strings.Contains(got, want)) {
		s.t.Errorf("%s in %s: got\n%s\nwant\n%s", p.Source.Path, p.Source.Dir, got, want)
	}
}

func (s *signing) author(p Patch) string {
	s.t.Helper()
	e, ok, err := s.Store.Entry(context.Background(), p.ID)
	if err != nil || !ok {
		s.t.Fatalf("no entry: %v", err)
	}
	return e.Author
}

func placed(at, serial, tokens string) string {
	return "for: " + at + "\nserial: " + serial + "\n" + tokens
}

func TestSignedPatches(t *testing.T) {
	s := newSigning(t)
	good := s.patch("spool", "ci/x.yaml", placed("spool/ci/x.yaml", "7", creates("a")))
	s.expect(good, "installed")
	if got := s.author(good); got != "alice@here" {
		t.Errorf("the ledger names %q", got)
	}
	unsigned := s.patch("spool", "y.yaml", placed("spool/y.yaml", "1", creates("b")))
	unsigned.Signature = nil
	s.expect(unsigned, "y.yaml: policy: allowed_signers: the file has no signature")
	if got := s.author(unsigned); got != "deploy" {
		t.Errorf("the ledger names %q for what nobody has signed", got)
	}
	for path, tt := range map[string]struct{ text, want string }{
		"for.yaml":      {"serial: 1\n" + creates("c"), `for.yaml:1:1: policy: allowed_signers: "for" is missing`},
		"serial.yaml":   {"for: spool/serial.yaml\n" + creates("c"), `serial.yaml:1:1: policy: allowed_signers: "serial" is missing`},
		"place.yaml":    {placed("spool/x.yaml", "1", creates("c")), `place.yaml:1:6: policy: allowed_signers: "for" names another place`},
		"dir.yaml":      {placed("other/dir.yaml", "1", creates("c")), `dir.yaml:1:6: policy: allowed_signers: "for" names another place`},
		"sub/path.yaml": {placed("spool/path.yaml", "1", creates("c")), `"for" names another place`},
		"same.yaml":     {"for: spool/x.yaml\n" + creates("c"), "\n"}, // both problems
		"wrong.yaml":    {placed("spool/wrong.yaml", "1", "tokens: [{action: bogus}]"), "wrong.yaml:3:"},
	} {
		s.expect(s.patch("spool", path, tt.text), tt.want)
	}
	s.expect(s.patch("spool", "blank.yaml", "# nothing\n"), "skipped")
	s.expect(Patch{ID: store.PatchID{200}, Source: store.Source{Dir: "free", Path: "x.yaml"}, Data: []byte(creates("d"))}, "installed")
	if len(s.Store.OfUser("u")) != 2 {
		t.Errorf("%d tokens, want a and d", len(s.Store.OfUser("u")))
	}
}

// What nobody has signed is not read: its reason is about the signature alone,
// whatever is in it.
func TestUnverifiedIsNotRead(t *testing.T) {
	s := newSigning(t)
	p := s.patch("spool", "x.yaml", "tokens: [{token: CANARY}")
	p.Signature = s.keys.sign("ed25519-2", "tokendrop", string(p.Data))
	got := s.apply(p)
	if strings.Contains(got, "\n") || strings.Contains(got, "CANARY") || !strings.HasPrefix(got, "x.yaml: policy: allowed_signers: the signature is by a key that is not in the file") {
		t.Errorf("the reasons are\n%s", got)
	}
}

// A signed file is good once, in its place, and for ever: however often it is
// dropped again, wherever, and whatever has become of its tokens.
func TestReplay(t *testing.T) {
	s := newSigning(t)
	one := placed("spool/x.yaml", "8", creates("a"))
	two := placed("spool/x.yaml", "9", creates("b"))
	const old = `policy: allowed_signers: "serial" is not higher`
	s.expect(s.patch("spool", "x.yaml", one), "installed")
	s.expect(s.patch("spool", "x.yaml", one), old)
	s.expect(s.patch("spool", "x.yaml", two), "installed")
	s.expect(s.patch("spool", "x.yaml", one), old)
	s.expect(s.patch("spool", "x.yaml", two), old)
	s.expect(s.patch("spool", "y.yaml", two), `"for" names another place`)
	s.expect(s.patch("other", "x.yaml", two), `"for" names another place`)
	s.expect(s.patch("free", "x.yaml", two), `x.yaml:1:6: "for" names another place`)
	gone := s.patch("free", "z.yaml", entry("action: delete, user: u, name: a")+"- {action: delete, user: u, name: b}\n")
	s.expect(gone, "installed")
	s.expect(s.patch("spool", "x.yaml", two), old)
	s.reopen()
	s.configure()
	s.expect(s.patch("spool", "x.yaml", two), old)
	s.expect(s.patch("spool", "x.yaml", one), old)
	if n := len(s.Store.OfUser("u")); n != 0 {
		t.Errorf("%d tokens are back", n)
	}
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "10", creates("c"))), "installed")
}

// One "for" is one place, whichever directories are configured: those that lie in
// another one have their own names, and so may names have a slash.
func TestReplayInADirectoryInside(t *testing.T) {
	s := newSigning(t)
	signed := s.Settings().Rules["spool"]
	s.Configure(Settings{Rules: map[string]Rules{"/spool": signed, "/spool/ci": signed}})
	text := placed("/spool/ci/x.yaml", "8", creates("a"))
	s.expect(s.patch("/spool", "ci/x.yaml", text), "installed")
	s.expect(s.patch("/spool/ci", "x.yaml", text), `"serial" is not higher`)
}

// Only what is installed counts: another way to end must not use up a number.
func TestSerialOfWhatIsNotInstalled(t *testing.T) {
	s := newSigning(t)
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "9", entry("action: update, user: u, name: a, set: {active: false}"))), "there is no such token")
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "9", "tokens: []\n")), "skipped")
	s.expect(s.patch("spool", "x.yaml", "once: o\n"+placed("spool/x.yaml", "1", creates("a"))), "installed")
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "2", creates("a"))), "installed") // unchanged counts
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "2", creates("a"))), `"serial" is not higher`)
}

// Where nobody asks for them they hold all the same.
func TestPlaceWithoutPolicy(t *testing.T) {
	b := newBench(t)
	p := func(n byte, at, serial string) Patch {
		p := patch(n, placed(at, serial, creates("a")))
		p.Source.Path = "x.yaml"
		return p
	}
	if got := b.outcomes(p(1, "spool/x.yaml", "3"), p(2, "spool/x.yaml", "3"), p(3, "spool/y.yaml", "4"), p(4, "spool/x.yaml", "4"), p(5, "spool/x.yaml", "1")); got != "installed failed failed installed failed" {
		t.Error(got)
	}
}

// Who is taken out of the file may not sign any more, at once; and a file that
// cannot be used lets nobody.
func TestSignerTakenOut(t *testing.T) {
	s := newSigning(t)
	n := 0
	next := func() Patch {
		n++
		return s.patch("spool", "x.yaml", placed("spool/x.yaml", string(rune('0'+n)), creates("a")))
	}
	s.expect(next(), "installed")
	s.allow("alice@here " + s.keys.public("ed25519-2"))
	s.expect(next(), "a key that is not in the file")
	s.allow("carol " + s.keys.public("ed25519-1"))
	p := next()
	s.expect(p, "installed")
	if s.author(p) != "carol" {
		t.Errorf("the ledger names %q", s.author(p))
	}
	if err := os.Chmod(s.keys.path("allowed"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.expect(next(), "policy: allowed_signers: others may write to ")
	if err := os.Remove(s.keys.path("allowed")); err != nil {
		t.Fatal(err)
	}
	s.expect(next(), "policy: allowed_signers: ")
}

// What has been decided stays so when it is recovered, though its signer may
// not sign any more. The disposition and the redacted text are those of then.
func TestRecoveredSignedPatch(t *testing.T) {
	s := newSigning(t)
	p := s.patch("spool", "x.yaml", "on_success: remove\n"+placed("spool/x.yaml", "1", entry("action: create, user: u, name: a, token: "+realToken)))
	s.faults.After = func(*store.Batch) error { return errors.New("killed") }
	if _, err := s.Apply(context.Background(), []Patch{p}); err == nil {
		t.Fatal("the commit did not fail")
	}
	s.faults.After = nil
	s.reopen()
	s.configure()
	s.allow("nobody " + s.keys.public("ed25519-2"))
	p.Recovered, p.Signature = true, nil // it may have its outcome already
	results, err := s.Apply(context.Background(), []Patch{p})
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if r.Outcome != store.Installed || r.OnSuccess != Remove || r.Redacted == nil || strings.Contains(string(r.Redacted), realToken) {
		t.Errorf("recovered as %v, %q, %q", r.Outcome, r.OnSuccess, r.Redacted)
	}
}

// A look at what would be done needs neither a signature nor its place.
func TestPreviewOfSigned(t *testing.T) {
	s := newSigning(t)
	p := s.patch("spool", "x.yaml", placed("spool/y.yaml", "1", creates("a")))
	p.Signature = nil
	if got := s.Preview([]Patch{p}); got[0].Outcome != store.Installed {
		t.Errorf("%v", got[0].Problems)
	}
}

// The time is that of applying, not of signing.
func TestSignerExpires(t *testing.T) {
	s := newSigning(t)
	s.allow(`alice valid-before="20260601120000Z" ` + s.keys.public("ed25519-1"))
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "1", creates("a"))), "installed")
	s.Now = func() time.Time { return signedAt.Add(time.Second) }
	s.expect(s.patch("spool", "x.yaml", placed("spool/x.yaml", "2", creates("a"))), "the key that has signed was valid until")
}
