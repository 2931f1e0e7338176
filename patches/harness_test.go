//go:build unix

package patches

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dropDir is a drop directory under test, with a clock that only the test
// moves.
type dropDir struct {
	*testing.T
	path   string
	cfg    Config
	clock  time.Time
	ledger *ledger
	log    bytes.Buffer
	dir    *Dir
}

func newDropDir(t *testing.T) *dropDir { return dropDirAt(t, filepath.Join(t.TempDir(), "drop")) }

func dropDirAt(t *testing.T, path string) *dropDir {
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	td := &dropDir{T: t, path: path, clock: time.Now(), ledger: newLedger(t)}
	td.cfg = Config{
		Name: "spool", Path: path, AfterApply: Rename, Redact: true, MaxSize: 1 << 20,
		Strict: true, Settle: 2 * time.Second, Rescan: 30 * time.Second, StartWait: 10 * time.Second,
	}
	td.Cleanup(func() { td.dir.detach() })
	td.Restart()
	return td
}

// Restart begins anew, as a process does after the last one has died.
func (td *dropDir) Restart() {
	if td.dir != nil {
		td.dir.detach()
	}
	td.dir = New(td.cfg, td.ledger, zerolog.New(&td.log))
	td.dir.detach()
}

// Pass makes one pass over all of the directory.
func (td *dropDir) Pass() (next time.Duration) {
	td.Helper()
	next, err := td.TryPass()
	if err != nil {
		td.Fatal(err)
	}
	return next
}

func (td *dropDir) TryPass() (time.Duration, error) {
	td.dir.full = true
	next, err := td.dir.pass(context.Background(), td.clock)
	return next.Sub(td.clock), err
}

// After lets time go by.
func (td *dropDir) After(d time.Duration) *dropDir {
	td.clock = td.clock.Add(d)
	return td
}

// Drop puts a file into the directory by renaming it.
func (td *dropDir) Drop(rel, text string) {
	td.Helper()
	to := filepath.Join(td.path, rel)
	temp := filepath.Join(filepath.Dir(to), ".drop")
	must(td.T, os.MkdirAll(filepath.Dir(to), 0o755))
	must(td.T, os.WriteFile(temp, []byte(text), 0o644))
	must(td.T, os.Rename(temp, to))
}

// DropHalfAGroup puts a file into the directory two of which make up a group.
func (td *dropDir) DropHalfAGroup(rel string) {
	td.Helper()
	td.Drop(rel, rel)
	must(td.T, os.Truncate(filepath.Join(td.path, rel), groupBytes/2))
}

// Writer opens a file in the directory and keeps it open.
func (td *dropDir) Writer(rel string) *os.File {
	td.Helper()
	f, err := os.OpenFile(filepath.Join(td.path, rel), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	must(td.T, err)
	td.Cleanup(func() { _ = f.Close() })
	return f
}

// Text is what a file holds, and "-" if it is not there.
func (td *dropDir) Text(rel string) string {
	td.Helper()
	text, err := os.ReadFile(filepath.Join(td.path, rel))
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	must(td.T, err)
	return string(text)
}

// Outcome checks what is left of a patch: the suffixes of its files, or
// nothing.
func (td *dropDir) Outcome(rel string, suffixes ...string) {
	td.Helper()
	var got []string
	for _, s := range []string{"", installedSuffix, skippedSuffix, failedSuffix, reasonSuffix} {
		if td.Text(rel+s) != "-" {
			got = append(got, s)
		}
	}
	if !slices.Equal(got, suffixes) {
		td.Errorf("%s has the files %q, want %q", rel, got, suffixes)
	}
}

func (td *dropDir) inode(rel string) uint64 {
	td.Helper()
	st, err := statPath(filepath.Join(td.path, rel))
	must(td.T, err)
	return st.ino
}

// Claims lists what lies among the claims.
func (td *dropDir) Claims() []string {
	var found []string
	root := filepath.Join(td.path, claimDir)
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != lockName {
			found = append(found, strings.TrimPrefix(path, root+"/"))
		}
		return nil
	})
	return found
}

// NoClaims checks that everything was finished.
func (td *dropDir) NoClaims() {
	td.Helper()
	if left := td.Claims(); len(left) > 0 {
		td.Errorf("left among the claims: %q", left)
	}
}

// Applied checks the texts that were applied, in order.
func (td *dropDir) Applied(texts ...string) {
	td.Helper()
	if !slices.Equal(td.ledger.applied, texts) {
		td.Errorf("applied %q, want %q", td.ledger.applied, texts)
	}
}

// Decided checks the patches that have a decision, in order.
func (td *dropDir) Decided(rels ...string) {
	td.Helper()
	if !slices.Equal(td.ledger.order, rels) {
		td.Errorf("decided on %q, want %q", td.ledger.order, rels)
	}
}

// Waits checks why a patch waits; "" if it does not.
func (td *dropDir) Waits(rel string, why Reason) {
	td.Helper()
	var got Reason
	for _, w := range td.dir.Status().Waiting {
		if w.Path == rel {
			got = w.Reason
		}
	}
	if got != why {
		td.Errorf("%s waits because it is %q, want %q", rel, got, why)
	}
}

// Logged counts the lines of the log that hold a text.
func (td *dropDir) Logged(text string, times int) {
	td.Helper()
	if n := strings.Count(td.log.String(), text); n != times {
		td.Errorf("%q is in the log %d times, want %d:\n%s", text, n, times, td.log.String())
	}
}

// HasStarted checks whether Started is closed.
func (td *dropDir) HasStarted(want bool) {
	td.Helper()
	if got := td.dir.isStarted(); got != want {
		td.Errorf("started = %v, want %v", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asRoot skips a test that needs CAP_LEASE or another user.
func asRoot(t *testing.T) {
	t.Helper()
	if unix.Geteuid() != 0 {
		skip(t, "needs root to be two users")
	}
}

// skip skips a test, except in CI, where nothing may be missing.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// errBroken is the failure of a store.
var errBroken = errors.New("store is broken")

// ledger is a handler that decides by the first word of a patch: fail, skip,
// remove, defer or secret; anything else is installed. It remembers what it
// has decided, and checks that no patch is decided on twice.
type ledger struct {
	t       testing.TB
	entries map[ID]Verdict
	texts   map[ID]string
	order   []string // paths
	applied []string // texts
	handed  []Patch
	sweeps  []Sweep

	// The next Handle fails, before or after it has stored its decision.
	failBefore, failAfter bool
	full                  bool   // everything is put off
	busy                  string // the patch of that path is put off
	failSwept             error
	unready               error
	// before is called with each group.
	before func([]Patch)
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, entries: map[ID]Verdict{}, texts: map[ID]string{}}
}

func (l *ledger) Ready() error { return l.unready }

func (l *ledger) Swept(_ context.Context, s Sweep) error {
	l.sweeps = append(l.sweeps, s)
	return l.failSwept
}

func (l *ledger) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	if l.before != nil {
		l.before(group)
	}
	if l.failBefore {
		l.failBefore = false
		return nil, errBroken
	}
	verdicts := make([]Verdict, len(group))
	for i, p := range group {
		l.handed = append(l.handed, p)
		verdicts[i] = l.decide(p)
	}
	if l.failAfter {
		l.failAfter = false
		return nil, errBroken
	}
	return verdicts, nil
}

func (l *ledger) decide(p Patch) Verdict {
	v, known := l.entries[p.ID]
	if known && !p.Recovered {
		l.t.Errorf("%s was handed over twice as new", p.Path)
	}
	if known && l.texts[p.ID] != string(p.Data) {
		return Verdict{Outcome: Another}
	}
	if known {
		return v
	}
	v = verdictOn(p)
	if l.full || p.Path == l.busy {
		v = Verdict{}
	}
	if v.Outcome == Deferred || v.Outcome == Unfinished {
		return v
	}
	l.entries[p.ID], l.texts[p.ID] = v, string(p.Data)
	l.order = append(l.order, p.Path)
	if v.Outcome == Installed {
		l.applied = append(l.applied, string(p.Data))
	}
	return v
}

func verdictOn(p Patch) Verdict {
	if p.Refusal != "" {
		return Verdict{Outcome: Failed, Reasons: []string{p.Refusal}}
	}
	word, _, _ := strings.Cut(string(p.Data), " ")
	switch word {
	case "fail":
		return Verdict{Outcome: Failed, Reasons: []string{p.Path + ":1:1: wrong", p.Path + ":2:1: wrong too"}}
	case "", "skip":
		return Verdict{Outcome: Skipped}
	case "remove":
		return Verdict{Outcome: Installed, AfterApply: Remove}
	case "defer":
		return Verdict{Outcome: Deferred, Reasons: []string{"the disk is full"}}
	case "undelivered":
		return Verdict{Outcome: Unfinished, Reasons: []string{"a file is in the way"}}
	case "secret":
		return Verdict{Outcome: Installed, Redacted: []byte("REDACTED")}
	}
	return Verdict{Outcome: Installed}
}
