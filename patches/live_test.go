//go:build unix

package patches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// running is a Dir with its own goroutine and the real clock. Its handler
// tells of every group, so that a test can wait for one without a timer.
type running struct {
	*testing.T
	path    string
	dir     *Dir
	applied chan string
	done    chan error
}

func (*running) Ready() error { return nil }

func (*running) Swept(context.Context, Sweep) error { return nil }

func (r *running) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	verdicts := make([]Verdict, len(group))
	for i, p := range group {
		verdicts[i] = verdictOn(p)
		r.applied <- p.Path + "=" + string(p.Data)
		if string(p.Data) == "break" {
			return nil, errBroken
		}
	}
	return verdicts, nil
}

func run(t *testing.T, path string) *running {
	r := prepared(t, path)
	r.start()
	return r
}

// prepared is a Dir that does not run yet.
func prepared(t *testing.T, path string) *running {
	r := &running{T: t, path: path, applied: make(chan string, 1000), done: make(chan error, 1)}
	r.dir = New(Config{
		Name: "spool", Path: path, AfterApply: Rename, MaxSize: 1 << 20,
		Strict: true, Settle: 10 * time.Millisecond, Rescan: time.Hour, StartWait: time.Hour,
	}, r, zerolog.Nop())
	return r
}

func (r *running) start() {
	ctx, cancel := context.WithCancel(r.Context())
	go func() { r.done <- r.dir.Run(ctx) }()
	r.Cleanup(func() {
		cancel()
		<-r.done
	})
}

// startLookedAt starts it once somebody looks at it.
func (r *running) startLookedAt() {
	for looking := 0; looking == 0; runtime.Gosched() {
		r.dir.mu.Lock()
		looking = len(r.dir.onlookers)
		r.dir.mu.Unlock()
	}
	r.start()
}

func (r *running) drop(rel, text string) {
	r.Helper()
	temp := filepath.Join(r.TempDir(), "temp")
	must(r.T, os.WriteFile(temp, []byte(text), 0o644))
	must(r.T, os.Rename(temp, filepath.Join(r.path, rel)))
}

func (r *running) wants(what string) {
	r.Helper()
	if got := <-r.applied; got != what {
		r.Fatalf("applied %q, want %q", got, what)
	}
}

// Nothing here is found by a rescan: it would take an hour.
func TestHints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drop")
	r := run(t, path)
	<-r.dir.Started() // an absent directory does not hold it

	must(t, os.Mkdir(path, 0o755)) // it appears
	r.drop("a.yaml", "1")
	r.wants("a.yaml=1")

	r.drop("a.yaml", "2")
	r.wants("a.yaml=2")

	must(t, os.MkdirAll(filepath.Join(path, "sub/deep"), 0o755)) // a new subdirectory
	r.drop("sub/deep/b.yaml", "3")
	r.wants("sub/deep/b.yaml=3")
	r.drop("sub/deep/b.yaml", "4")
	r.wants("sub/deep/b.yaml=4")

	must(t, os.Rename(filepath.Join(path, "sub"), filepath.Join(path, "moved")))
	r.drop("moved/deep/c.yaml", "5")
	r.wants("moved/deep/c.yaml=5")

	must(t, os.Rename(path, path+".old")) // it is moved away and made again
	must(t, os.Mkdir(path, 0o755))
	r.drop("d.yaml", "6")
	r.wants("d.yaml=6")

	removeBusy(t, path) // and removed
	must(t, os.Mkdir(path, 0o755))
	r.drop("e.yaml", "7")
	r.wants("e.yaml=7")
}

// removeBusy removes a directory in which an outcome may just be appearing.
func removeBusy(t *testing.T, path string) {
	t.Helper()
	var err error
	for range 1000 {
		if err = os.RemoveAll(path); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// Writing in place works without a hint for the close.
func TestWrittenInPlaceLive(t *testing.T) {
	path := t.TempDir()
	r := run(t, path)
	<-r.dir.Started()
	f, err := os.Create(filepath.Join(path, "x.yaml"))
	must(t, err)
	want := ""
	for i := range 200 {
		_, err := f.WriteString(strconv.Itoa(i) + " ")
		must(t, err)
		want += strconv.Itoa(i) + " "
	}
	must(t, f.Close())
	r.wants("x.yaml=" + want)
}

func TestRunReturnsTheHandlersError(t *testing.T) {
	r := run(t, t.TempDir())
	r.drop("x.yaml", "break")
	err := <-r.done
	if !errors.Is(err, errBroken) {
		t.Errorf("Run returned %v", err)
	}
	r.done <- nil
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := run(t, t.TempDir())
	<-r.dir.Started()
	if got := r.dir.Status().State; got != Working {
		t.Errorf("state is %q", got)
	}
}

// A directory that is told to stop before it was through has not started.
func TestStoppedBeforeItStarted(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := td.dir.pass(ctx, td.clock); err != nil {
		t.Fatal(err)
	}
	td.Applied()
	td.HasStarted(false)
}

// Invariant 8: hints that are lost cost a scan.
func TestOverflow(t *testing.T) {
	td := newDropDir(t)
	td.Pass()
	td.Drop("x.yaml", "a")
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil {
		t.Fatal(err)
	}
	td.Outcome("x.yaml", "") // nobody has told
	td.dir.hintLost(fsnotify.ErrEventOverflow)
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil {
		t.Fatal(err)
	}
	td.Outcome("x.yaml", installedSuffix)
}

// A hint makes one name be looked at, and the rescan finds the rest.
func TestHintNamesAPath(t *testing.T) {
	td := newDropDir(t)
	td.Pass()
	for _, rel := range []string{"a.yaml", "b.yaml"} {
		td.Drop(rel, rel)
	}
	td.dir.hint(fsnotify.Event{Name: filepath.Join(td.path, "b.yaml"), Op: fsnotify.Create})
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil {
		t.Fatal(err)
	}
	td.Applied("b.yaml")
	td.After(td.cfg.Rescan)
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil {
		t.Fatal(err)
	}
	td.Applied("b.yaml", "a.yaml")
}

// Outcomes are hinted at as well, and may lie in any number of directories:
// none of these stays open for it.
func TestHintsKeepNothingOpen(t *testing.T) {
	td := newDropDir(t)
	for i := range 2 * maxSubs {
		td.Drop(fmt.Sprintf("%03d/deep/x.yaml", i), "a")
	}
	td.Pass()
	for i := range 2 * maxSubs {
		name := fmt.Sprintf("%s/%03d/deep/x.yaml.installed", td.path, i)
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
		td.dir.hint(fsnotify.Event{Name: name, Op: fsnotify.Create})
	}
	if n := len(td.dir.tree.subs); n > 0 {
		t.Errorf("%d directories are open between two passes", n)
	}
	if td.dir.full {
		t.Error("they would cause a scan")
	}
	must(t, os.Mkdir(filepath.Join(td.path, "000/deep/new"), 0o755))
	td.dir.hint(fsnotify.Event{Name: td.path + "/000/deep/new", Op: fsnotify.Create})
	if !td.dir.full {
		t.Error("a new directory would not be scanned")
	}
}

func TestUninterestingHints(t *testing.T) {
	td := newDropDir(t)
	td.Pass()
	td.Drop("plain.txt", "")
	for name, op := range map[string]fsnotify.Op{
		"x.yaml.installed": fsnotify.Create, "x.yaml": fsnotify.Rename, ".tokendrop": fsnotify.Create,
		"plain.txt": fsnotify.Create, "../other.yaml": fsnotify.Create,
	} {
		td.dir.hint(fsnotify.Event{Name: td.path + "/" + name, Op: op})
	}
	td.dir.hint(fsnotify.Event{Name: "/elsewhere/x.yaml", Op: fsnotify.Create})
	delete(td.dir.hints, "../other.yaml")
	if td.dir.full || len(td.dir.hints) > 0 {
		t.Errorf("they would cause a pass: %v", td.dir.hints)
	}
}
