//go:build unix

package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// writing is an applier with directories that it may write to.
type writing struct {
	*places
	*bench
	last byte // patch
}

func newWriting(t *testing.T) *writing {
	w := &writing{places: newPlaces(t), bench: newBench(t)}
	w.Configure(w.places.Settings)
	return w
}

func (w *writing) apply(texts ...string) []Result {
	w.places.t.Helper()
	var patches []Patch
	for _, text := range texts {
		w.last++
		patches = append(patches, patch(w.last, w.fill(text)))
	}
	results, err := w.Apply(w.places.t.Context(), patches)
	if err != nil {
		w.places.t.Fatal(err)
	}
	return results
}

// must applies one manifest that is right.
func (w *writing) must(text string) {
	w.places.t.Helper()
	if r := w.apply(text)[0]; r.Outcome != store.Installed {
		w.places.t.Fatalf("%s\n%s", text, r.Reasons)
	}
}

// refused applies one manifest that is wrong, and returns why.
func (w *writing) refused(text string) string {
	w.places.t.Helper()
	r := w.apply(text)[0]
	if r.Outcome != store.Failed || len(r.Reasons) != 1 {
		w.places.t.Fatalf("%s\n%s %q", text, r.Outcome, r.Reasons)
	}
	return r.Reasons[0]
}

// content is what a file holds, or why it cannot be told.
func (p *places) content(name string) string {
	if info, err := os.Lstat(p.path(name)); err == nil && !info.Mode().IsRegular() {
		return info.Mode().String()
	}
	text, err := os.ReadFile(p.path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// leftovers lists what lies in out and is no output.
func (p *places) leftovers() []string {
	var found []string
	_ = filepath.WalkDir(p.path("out"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, stagedSuffix) {
			found = append(found, d.Name())
		}
		return err
	})
	return found
}

// verify tells whether the store accepts a token's text.
func (w *writing) verify(text string) bool {
	tok, err := w.places.Formats.Parse(strings.TrimSuffix(text, "\n"))
	if err != nil {
		return false
	}
	rec, ok := w.Store.ByKey(tok.Key)
	return ok && rec.Credential(tok.Key).Digest.Equal(tok.Digest())
}

// holds checks that the file has the one secret of the token.
func (w *writing) holds(name, tokenName string) {
	w.places.t.Helper()
	text := w.content(name)
	rec, _ := w.Store.ByName(store.Name{User: "u", Name: tokenName})
	if !w.verify(text) || len(rec.Credentials) != 1 || !strings.Contains(text, "\n") {
		w.places.t.Errorf("%s does not hold the secret of %s: %.60q", name, tokenName, text)
	}
	if left := w.leftovers(); len(left) > 0 {
		w.places.t.Errorf("left over: %q", left)
	}
}

const writeA = "write_to: {path: ROOT/out/a}"

func createsInto(name, path string) string {
	return entry("action: create, user: u, name: " + name + ", generate: true, write_to: {path: ROOT/" + path + "}")
}

func TestWriteTo(t *testing.T) {
	w := newWriting(t)
	for _, step := range []string{
		"action: create, user: u, name: a, generate: true, ",
		"action: regenerate, user: u, name: a, ",
		"action: regenerate, user: u, name: a, generate: true, ",
	} {
		before := w.content("out/a")
		w.must(entry(step + writeA))
		w.holds("out/a", "a")
		if w.content("out/a") == before {
			t.Errorf("%s: the file has the old secret", step)
		}
	}
	w.must(entry("action: ensure, user: u, name: e, generate: true, write_to: {path: ROOT/out/sub/e}"))
	w.holds("out/sub/e", "e")
	w.must(entry("action: copy, user: u, name: c, from: {user: u, name: a}, write_to: {path: ROOT/out/c}"))
	w.holds("out/c", "c")
	w.must(entry("action: create, user: u, name: two, credentials: [{token: " + realToken + "}, {generate: true}], write_to: {path: ROOT/out/two}"))
	if !w.verify(w.content("out/two")) || strings.Contains(w.content("out/two"), realToken) {
		t.Error("of two credentials, the generated one was not written")
	}
	info, err := os.Stat(w.path("out/a"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWriteToFormats(t *testing.T) {
	w := newWriting(t)
	write := func(name, more string) string {
		w.must(entry("action: create, user: u, name: " + name + ", generate: true, write_to: {path: ROOT/out/" + name + ", " + more + "}"))
		return w.content("out/" + name)
	}
	if text := write("raw", "format: raw"); len(text) != token.TextSize+1 || !w.verify(text) {
		t.Errorf("%.60q", text)
	}
	var parsed struct {
		Token string
		Key   token.Key
	}
	if err := json.Unmarshal([]byte(write("json", "format: json")), &parsed); err != nil || !w.verify(parsed.Token) {
		t.Errorf("%v", err)
	}
	if rec, _ := w.Store.ByName(store.Name{User: "u", Name: "json"}); rec.Key() != parsed.Key {
		t.Errorf("key %s", parsed.Key)
	}
	lines := strings.Split(write("env", "format: env, mode: '0640'"), "\n")
	if len(lines) != 3 || !w.verify(strings.TrimPrefix(lines[0], "TOKENDROP_TOKEN=")) || !strings.HasPrefix(lines[1], "TOKENDROP_KEY=") || lines[2] != "" {
		t.Errorf("%d lines", len(lines))
	}
	if info, err := os.Stat(w.path("out/env")); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// What is generated is written; what is there already is not known any more.
func TestWriteToUnchanged(t *testing.T) {
	w := newWriting(t)
	again := entry("action: ensure, user: u, name: a, generate: true, type: read-only, " + writeA)
	w.must(again)
	before := w.content("out/a")
	if r := w.apply(again)[0]; len(r.Warnings) != 0 || w.content("out/a") != before {
		t.Errorf("%+v", r)
	}
	w.must(creates("b") + strings.TrimPrefix(again, "tokens:\n"))
	if w.content("out/a") != before {
		t.Error("another token's secret was written")
	}
	if err := os.Remove(w.path("out/a")); err != nil {
		t.Fatal(err)
	}
	if r := w.apply(again)[0]; r.Outcome != store.Installed || len(r.Warnings) != 1 || r.Warnings[0].Text != warnNoFile {
		t.Errorf("%+v", r)
	}
	w.must(entry("action: regenerate, user: u, name: a, " + writeA))
	w.holds("out/a", "a")
}

// Only what was written for the same token is replaced.
func TestWriteToOverOthers(t *testing.T) {
	const regenerate = "action: regenerate, user: u, name: "
	for name, c := range map[string]struct {
		before func(w *writing)
		text   string
		want   string // empty: it is replaced
	}{
		"another's file":   {func(w *writing) { w.write("out/a", "x\n") }, createsInto("a", "out/a"), notOurs},
		"an empty file":    {func(w *writing) { w.write("out/a", "") }, createsInto("a", "out/a"), notOurs},
		"another token's":  {func(w *writing) { w.must(createsInto("b", "out/a")) }, createsInto("a", "out/a"), notOurs},
		"one in the patch": {nil, createsInto("b", "out/a") + "- {action: create, user: u, name: a, generate: true, " + writeA + "}\n", notOurs},
		"changed":          {func(w *writing) { w.must(createsInto("a", "out/a")); w.write("out/a", "x\n") }, entry(regenerate + "a, " + writeA), wasChanged},
		"grown":            {func(w *writing) { w.must(createsInto("a", "out/a")); w.write("out/a", w.content("out/a")+"x") }, entry(regenerate + "a, " + writeA), wasChanged},
		"another's, gone": {func(w *writing) {
			w.must(createsInto("b", "out/a"))
			_ = os.Remove(w.path("out/a"))
		}, createsInto("a", "out/a"), ""},
		"twice in the patch": {nil, createsInto("a", "out/a") + "- {" + regenerate + "a, " + writeA + "}\n", ""},
		"renamed": {func(w *writing) {
			w.must(createsInto("b", "out/a"))
			w.must(entry("action: update, user: u, name: b, set: {name: a}"))
		}, entry(regenerate + "a, " + writeA), ""},
		"of who has the old name": {func(w *writing) {
			w.must(createsInto("a", "out/a"))
			w.must(entry("action: update, user: u, name: a, set: {name: b}"))
		}, createsInto("a", "out/a"), notOurs},
		"deleted, with its key": {func(w *writing) {
			w.must(createsInto("b", "out/a"))
			rec, _ := w.Store.ByName(store.Name{User: "u", Name: "b"})
			w.must(entry("action: delete, user: u, name: b"))
			w.at = w.at.Add(1e9)
			w.must(entry("action: ensure, user: u, name: a, generate: true, key: " + rec.Key().String()))
		}, entry(regenerate + "a, " + writeA), notOurs},
		"deleted and made again": {func(w *writing) {
			w.must(createsInto("a", "out/a"))
			w.must(entry("action: delete, user: u, name: a"))
		}, createsInto("a", "out/a"), ""},
		"a link in its place": {func(w *writing) {
			w.must(createsInto("a", "out/a"))
			_ = os.Rename(w.path("out/a"), w.path("elsewhere/a"))
			w.link(w.path("elsewhere/a"), "out/a")
		}, entry(regenerate + "a, " + writeA), wasChanged},
		"a link":          {func(w *writing) { w.write("elsewhere/x", "x\n"); w.link(w.path("elsewhere/x"), "out/a") }, createsInto("a", "out/a"), notOurs},
		"a dangling link": {func(w *writing) { w.link(w.path("elsewhere/y"), "out/a") }, createsInto("a", "out/a"), notOurs},
		"a pipe":          {func(w *writing) { _ = unix.Mkfifo(w.path("out/a"), 0o600) }, createsInto("a", "out/a"), notOurs},
		"a directory":     {nil, createsInto("a", "out/sub"), notOurs},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriting(t)
			if c.before != nil {
				c.before(w)
			}
			before := w.content("out/a")
			if c.want == "" {
				w.must(c.text)
				w.holds("out/a", "a")
				return
			}
			if why := w.refused(c.text); !strings.Contains(why, c.want) {
				t.Errorf("refused as %s", why)
			}
			if w.content("out/a") != before || len(w.leftovers()) > 0 {
				t.Errorf("something was written: %q", w.leftovers())
			}
		})
	}
}

// Where nothing may be written, nothing is, and the place is told.
func TestWriteToRefuses(t *testing.T) {
	w := newWriting(t)
	rules := w.Rules["spool"]
	rules.OutputDirs = append(rules.OutputDirs, w.path("store"), w.path("absent"))
	w.Rules["spool"] = rules
	w.Forbidden = []string{w.path("store")}
	w.Configure(w.places.Settings)
	w.link("../elsewhere", "out/linked")
	w.link("sub", "out/inside")
	w.write("out/file", "")
	for path, want := range map[string]string{
		"ROOT/elsewhere/a":                       "may not write",
		"ROOT/outside":                           "may not write",
		"ROOT/out":                               "may not write",
		"/etc/cron.d/a":                          "may not write",
		"ROOT/store/a":                           "tokendrop's own",
		"ROOT/absent/a":                          "is not there; make it first",
		"ROOT/out/missing/a":                     "is not there; make it first",
		"ROOT/out/linked/a":                      "a link",
		"ROOT/out/inside/a":                      "a link",
		"ROOT/out/file/a":                        "a link, or no directory",
		"ROOT/out/a, owner: nobody-of-this-name": `"owner"`,
		"ROOT/out/a, group: nobody-of-this-name": `"group"`,
	} {
		why := w.refused(entry("action: create, user: u, name: n, generate: true, write_to: {path: " + path + "}"))
		if !strings.Contains(why, want) || strings.Contains(why, w.root) || !strings.Contains(why, ".yaml:2:") {
			t.Errorf("%s: %s, want %q", path, why, want)
		}
	}
	w.refused(createsInto("n", "out/first") + "- {action: create, user: u, name: m, generate: true, write_to: {path: ROOT/out/second, owner: nobody-of-this-name}}\n")
	if left := w.leftovers(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	if _, ok := w.Store.ByName(store.Name{User: "u", Name: "n"}); ok || w.generation("n") != 0 {
		t.Error("a token was made")
	}
	for _, dir := range []string{"elsewhere", "store"} {
		if left, _ := os.ReadDir(w.path(dir)); len(left) > 0 {
			t.Errorf("%s has %q", dir, left)
		}
	}
}

// Only root can give files away; a file that cannot be is not written.
func TestWriteToOwner(t *testing.T) {
	w := newWriting(t)
	text := entry("action: create, user: u, name: a, generate: true, write_to: {path: ROOT/out/a, owner: '12345', group: '23456', mode: '0440'}")
	if os.Geteuid() != 0 {
		if why := w.refused(text); !strings.Contains(why, "only root") || len(w.leftovers()) > 0 {
			t.Errorf("%s", why)
		}
		return
	}
	w.must(text)
	var st unix.Stat_t
	if err := unix.Stat(w.path("out/a"), &st); err != nil || st.Uid != 12345 || st.Gid != 23456 || st.Mode&0o7777 != 0o440 {
		t.Errorf("%v: owner %d, group %d, mode %o", err, st.Uid, st.Gid, st.Mode)
	}
}

// Patches of one transaction that write the same file come one after the
// other, and the last one's secret is there.
func TestWriteToBySeveralPatches(t *testing.T) {
	w := newWriting(t)
	regenerate := entry("action: regenerate, user: u, name: a, " + writeA)
	for i, r := range w.apply(createsInto("a", "out/a"), regenerate, createsInto("b", "out/b"), createsInto("b2", "out/a"), regenerate) {
		if want := []store.Outcome{store.Installed, store.Installed, store.Installed, store.Failed, store.Installed}[i]; r.Outcome != want {
			t.Errorf("patch %d: %s %q", i, r.Outcome, r.Reasons)
		}
	}
	w.holds("out/a", "a")
	w.holds("out/b", "b")
}

// A place that two paths lead to is one: the second secret for it is refused,
// and the first one is there.
func TestWriteToOnePlaceByTwoPaths(t *testing.T) {
	first, second := createsInto("a", "out/a"), createsInto("b", "alias/a")
	for name, texts := range map[string][]string{
		"two patches": {first, second},
		"one patch":   {createsInto("c", "out/c"), first + strings.TrimPrefix(second, "tokens:\n")},
	} {
		w := newWriting(t)
		w.link("out", "alias")
		rules := w.Rules["spool"]
		rules.OutputDirs = append(rules.OutputDirs, w.path("alias"))
		w.Rules["spool"] = rules
		w.Configure(w.places.Settings)
		results := w.apply(texts...)
		if results[0].Outcome != store.Installed || results[1].Outcome != store.Failed || !strings.Contains(results[1].Reasons[0], notOurs) {
			t.Errorf("%s: %+v", name, results)
		}
		if name == "two patches" {
			w.holds("out/a", "a")
		} else if w.holds("out/c", "c"); !strings.HasPrefix(w.content("out/a"), "open") {
			t.Error("the refused patch has written something")
		}
	}
}

var errCrash = errors.New("crash")

// Each step of a write, and what a crash there leaves: at the next start one
// secret works, and the file holds it before the outcome shows.
func TestWriteToAfterACrash(t *testing.T) {
	for _, first := range []bool{true, false} {
		for _, step := range []string{"staged", "committed", "delivered", "lost", "stored"} {
			t.Run(fmt.Sprintf("%s, first %v", step, first), func(t *testing.T) {
				w := newWriting(t)
				text := w.fill(createsInto("a", "out/a"))
				old := "open"
				if !first {
					w.must(createsInto("a", "out/a"))
					text, old = w.fill(entry("action: regenerate, user: u, name: a, "+writeA)), w.content("out/a")
				}
				before := w.generation("a")
				p := patch(100, text)
				w.crashAt(step, p)
				if got := w.content("out/a"); step != "delivered" && !strings.HasPrefix(got, old) {
					t.Errorf("before the commit is known, the file changed to %.60q", got)
				}
				w.restart()
				p.Recovered = true
				results, err := w.Apply(t.Context(), []Patch{p})
				if err != nil || results[0].Outcome != store.Installed {
					t.Fatalf("%v %+v", err, results)
				}
				w.holds("out/a", "a")
				if w.verify(old) || w.generation("a") != before+1 {
					t.Errorf("generation %d after %d", w.generation("a"), before)
				}
			})
		}
	}
}

// crashAt applies a patch until the process ends at a step.
func (w *writing) crashAt(step string, p Patch) {
	w.places.t.Helper()
	switch step {
	case "lost":
		w.faults = memstore.Faults{Before: func(*store.Batch) error { return store.ErrUnknown }}
	case "stored":
		w.faults = memstore.Faults{After: func(*store.Batch) error { return store.ErrUnknown }}
	}
	w.step = func(name string) error {
		if name == step {
			return errCrash
		}
		return nil
	}
	if _, err := w.Apply(w.places.t.Context(), []Patch{p}); !errors.Is(err, errCrash) && !errors.Is(err, store.ErrUnknown) {
		w.places.t.Fatalf("no crash at %s: %v", step, err)
	}
}

// restart starts a new process after a crash.
func (w *writing) restart() {
	w.faults = memstore.Faults{}
	w.reopen()
	w.Configure(w.places.Settings)
}

// What was committed is delivered, although the configuration would not have the
// manifest any more.
func TestWriteToAfterAReconfiguredCrash(t *testing.T) {
	w := newWriting(t)
	w.ScopeSets = map[string][]string{"reading": {"a.find"}}
	w.Configure(w.places.Settings)
	p := patch(100, w.fill("on_success: remove\n"+entry("action: create, user: u, name: a, generate: true, type: custom, scope_sets: [reading], "+writeA)))
	w.crashAt("committed", p)
	w.ScopeSets = nil
	w.restart()
	p.Recovered = true
	results, err := w.Apply(t.Context(), []Patch{p})
	if err != nil || results[0].Outcome != store.Installed || results[0].OnSuccess != Remove {
		t.Errorf("%v %+v", err, results)
	}
	w.holds("out/a", "a")
}

// What is committed and cannot be looked at for now is not taken for something
// else, and stays until it can.
func TestWriteToWithoutFilesToOpen(t *testing.T) {
	w := newWriting(t)
	w.crashAt("committed", patch(100, w.fill(createsInto("a", "out/a"))))
	rules := w.Rules["spool"]
	s, err := rules.openSpot(w.path("out/a"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	mark, _ := w.Store.Mark(store.WrittenID(w.path("out/a")))
	committed, _ := store.OutputOf(mark.Value)
	withoutFiles(t, func() { err = s.reveal(&committed) })
	if !errors.Is(err, unix.EMFILE) || !isBusy(err) || len(w.leftovers()) != 1 {
		t.Errorf("%v, left over: %q", err, w.leftovers())
	}
	if err := s.reveal(&committed); err != nil {
		t.Error(err)
	}
	w.holds("out/a", "a")
	withoutFiles(t, func() { err = s.reveal(&committed) })
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("what is staged cannot be known, and was said to be nothing: %v", err)
	}
}

// withoutFiles does something while the process can open no file more.
func withoutFiles(t *testing.T, do func()) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Dup(0) // the lowest that is free
	if err == nil {
		err = unix.Close(next)
	}
	limit := before
	limit.Cur = uint64(next)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}()
	do()
}

// What a crash left is put right by another patch too, if that comes first,
// and neither takes the other's file.
func TestWriteToAfterACrashOfAnother(t *testing.T) {
	for step, want := range map[string]string{"staged": "", "committed": notOurs} {
		w := newWriting(t)
		p := patch(100, w.fill(createsInto("a", "out/a")))
		w.crashAt(step, p)
		w.restart()
		r := w.apply(createsInto("b", "out/a"))[0]
		if (r.Outcome == store.Installed) != (want == "") || want != "" && !strings.Contains(r.Reasons[0], want) {
			t.Errorf("crash after %s: %s %q", step, r.Outcome, r.Reasons)
		}
		p.Recovered = true
		results, err := w.Apply(t.Context(), []Patch{p})
		if err != nil {
			t.Fatal(err)
		}
		if step == "committed" {
			w.holds("out/a", "a")
		} else if w.holds("out/a", "b"); results[0].Outcome != store.Failed {
			t.Errorf("the first patch took the second one's file: %+v", results[0])
		}
	}
}

// A power cut can leave a part of what was being staged, or of what was never
// committed: nothing of it counts.
func TestWriteToOverHalfStagedFiles(t *testing.T) {
	for _, half := range []string{"", realToken, strings.Repeat("x", maxOutput+1)} {
		w := newWriting(t)
		w.write("out/.a"+stagedSuffix, half)
		w.must(createsInto("a", "out/a"))
		w.holds("out/a", "a")
	}
	w := newWriting(t)
	w.write("elsewhere/x", "x")
	w.link(w.path("elsewhere/x"), "out/.a"+stagedSuffix)
	w.must(createsInto("a", "out/a"))
	w.holds("out/a", "a")
	if w.content("elsewhere/x") != "x" {
		t.Error("a link was followed")
	}
}

// The outcome does not show before the file does: while it cannot be put into
// its place, the patch is handed in again.
func TestWriteToWaitsForItsPlace(t *testing.T) {
	w := newWriting(t)
	w.must(createsInto("a", "out/a"))
	old := w.content("out/a")
	w.step = func(name string) error {
		if name == "committed" {
			w.write("out/a", "somebody else's\n")
		}
		return nil
	}
	p := patch(100, w.fill(entry("action: regenerate, user: u, name: a, "+writeA)))
	for range 2 {
		results, err := w.Apply(t.Context(), []Patch{p})
		if err != nil || results[0].Outcome != 0 || !results[0].Undelivered || len(results[0].Reasons) != 1 || !strings.Contains(results[0].Reasons[0], "somebody") {
			t.Fatalf("%v %+v", err, results)
		}
		p.Recovered = true
	}
	if w.content("out/a") != "somebody else's\n" {
		t.Error("another's file was replaced")
	}
	if err := os.Remove(w.path("out/a")); err != nil {
		t.Fatal(err)
	}
	if got := w.outcomes(p); got != "installed" || w.verify(old) {
		t.Error(got)
	}
	w.holds("out/a", "a")
	if w.generation("a") != 2 {
		t.Errorf("generation %d", w.generation("a"))
	}
}

// Nothing is left of what could not be committed.
func TestWriteToWithoutCommit(t *testing.T) {
	w := newWriting(t)
	w.faults.Before = func(*store.Batch) error { return store.ErrUnavailable }
	if r := w.apply(createsInto("a", "out/a"))[0]; r.Outcome != 0 || len(w.leftovers()) > 0 {
		t.Errorf("%+v, left %q", r, w.leftovers())
	}
	w.faults.Before = nil
	w.Store = limited{w.Store, store.Limits{Writes: 3, Bytes: 1 << 20}}
	results := w.apply(createsInto("a", "out/a"), createsInto("b", "out/b"), createsInto("c", "out/c")+"- {action: create, user: u, name: d, generate: true, write_to: {path: ROOT/out/d}}\n")
	if results[0].Outcome != store.Installed || results[1].Outcome != store.Installed || results[2].Outcome != store.Failed {
		t.Errorf("%+v", results)
	}
	w.holds("out/a", "a")
	w.holds("out/b", "b")
}

// A plan tells where a secret would go, and writes nothing.
func TestPreviewWriteTo(t *testing.T) {
	w := newWriting(t)
	w.write("out/.a"+stagedSuffix, "left by a crash")
	previews := w.Preview([]Patch{
		patch(1, w.fill(createsInto("a", "out/a")+"- {action: regenerate, user: u, name: a, "+w.fill(writeA)+"}\n")),
		patch(2, w.fill(createsInto("b", "elsewhere/b"))),
	})
	for _, s := range previews[0].Steps {
		if last := s.Fields[len(s.Fields)-1]; last != (FieldChange{Field: "write_to", New: w.path("out/a")}) {
			t.Errorf("%+v", s)
		}
	}
	if len(previews[0].Steps) != 2 || previews[1].Outcome != store.Failed {
		t.Errorf("%+v", previews)
	}
	if left := w.leftovers(); len(left) != 1 || w.content("out/.a"+stagedSuffix) != "left by a crash" {
		t.Errorf("a plan changed files: %q", left)
	}
}

// A secret of another token cannot be had by reading the file that it was
// written to.
func TestTokenFileOfAnOutput(t *testing.T) {
	w := newWriting(t)
	rules := w.Rules["spool"]
	rules.SecretDirs = append(rules.SecretDirs, w.path("out"))
	w.Rules["spool"] = rules
	w.Configure(w.places.Settings)
	w.must(createsInto("a", "out/a"))
	if why := w.refused(entry("action: create, user: v, name: b, token_file: ROOT/out/a")); !strings.Contains(why, "key is taken") {
		t.Error(why)
	}
}
