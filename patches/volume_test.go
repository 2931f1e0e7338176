//go:build unix

package patches

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// volume is a ConfigMap or Secret as Kubernetes mounts it.
type volume struct {
	testing.TB
	path      string
	published int
	lags      bool // what was exchanged is not removed yet
	// swapped is called when all files are exchanged, and the links to them
	// are not.
	swapped func()
}

// Publish exchanges all files at once, in the steps of Kubernetes' AtomicWriter.
func (v *volume) Publish(files map[string]string) {
	v.Helper()
	v.published++
	old, _ := os.Readlink(filepath.Join(v.path, dataLink))
	name := fmt.Sprintf("..2027_01_31_23_59_59.%09d", v.published)
	for rel, text := range files {
		at := filepath.Join(v.path, name, rel)
		must(v, os.MkdirAll(filepath.Dir(at), 0o755))
		must(v, os.WriteFile(at, []byte(text), 0o644))
	}
	must(v, os.MkdirAll(filepath.Join(v.path, name), 0o755))
	must(v, os.Symlink(name, filepath.Join(v.path, "..data_tmp")))
	must(v, os.Rename(filepath.Join(v.path, "..data_tmp"), filepath.Join(v.path, dataLink)))
	if v.swapped != nil {
		v.swapped()
	}
	visible := map[string]bool{}
	for rel := range files {
		top, _, _ := strings.Cut(rel, "/")
		visible[top] = true
		if err := os.Symlink(filepath.Join(dataLink, top), filepath.Join(v.path, top)); !errors.Is(err, fs.ErrExist) {
			must(v, err)
		}
	}
	entries, err := os.ReadDir(v.path)
	must(v, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "..") && !visible[e.Name()] {
			must(v, os.Remove(filepath.Join(v.path, e.Name())))
		}
	}
	if old != "" && !v.lags {
		must(v, os.RemoveAll(filepath.Join(v.path, old)))
	}
}

func newVolume(t *testing.T) (*keepDir, *volume) {
	td := newKeepDir(t)
	return td, &volume{TB: t, path: td.path}
}

func TestVolume(t *testing.T) {
	td, v := newVolume(t)
	v.Publish(map[string]string{"a.yaml": "a1", "b.yaml": "b1", "sub/c.yaml": "c1", "sub/deep/d.yaml": "d1", "README": "no patch"})
	td.Pass()
	td.HandedOver("a.yaml", "b.yaml", "sub/c.yaml", "sub/deep/d.yaml")
	td.Swept(whole("a.yaml", "b.yaml", "sub/c.yaml", "sub/deep/d.yaml"))
	td.After(time.Minute).Pass()
	td.HandedOver()

	v.Publish(map[string]string{"a.yaml": "a2", "sub/c.yaml": "c1", "e.yaml": "e2"})
	td.Pass()
	td.HandedOver("a.yaml", "e.yaml", "sub/c.yaml")
	td.SweptLater(whole("a.yaml", "e.yaml", "sub/c.yaml"))

	v.Publish(nil) // all keys were removed
	td.Pass()
	td.HandedOver()
	td.SweptLater(partly())
	td.Logged("left alone", 0)
}

// The files are exchanged at once, and the links follow one by one: what is
// published counts.
func TestVolumeBetweenItsLinks(t *testing.T) {
	td, v := newVolume(t)
	v.swapped = func() { td.Pass() }
	v.Publish(map[string]string{"a.yaml": "a1", "b.yaml": "b1"})
	td.HandedOver("a.yaml", "b.yaml")
	v.Publish(map[string]string{"b.yaml": "b2", "new.yaml": "new"})
	td.HandedOver("b.yaml", "new.yaml")
	td.SweptLater(whole("b.yaml", "new.yaml"))
	td.HandedOver()
	td.Logged("left alone", 0)
}

// A volume may be mounted anywhere below the directory, beside other files.
func TestVolumesBelow(t *testing.T) {
	td := newKeepDir(t)
	for _, name := range []string{"one", "two"} {
		must(t, os.MkdirAll(filepath.Join(td.path, "team", name), 0o755))
	}
	one, two := &volume{TB: t, path: td.path + "/team/one"}, &volume{TB: t, path: td.path + "/team/two"}
	one.Publish(map[string]string{"a.yaml": "a1"})
	two.Publish(map[string]string{"a.yaml": "b1", "conf.yaml/x.yaml": "x1"})
	td.Drop("plain.yaml", "plain")
	td.Link("team/one/a.yaml", "link.yaml")
	td.Pass()
	td.HandedOver("link.yaml", "plain.yaml", "team/one/a.yaml", "team/two/a.yaml", "team/two/conf.yaml/x.yaml")
	one.Publish(map[string]string{"a.yaml": "a2"})
	td.Pass()
	td.HandedOver("link.yaml", "team/one/a.yaml")
	td.Applied("a1", "plain", "a1", "b1", "x1", "a2", "a2")
}

// Invariant 12: a pass that meets a swap hands nothing over and begins again.
func TestSwappedWhileRead(t *testing.T) {
	for _, when := range []string{"settled", "settled, lags", "handled"} {
		td, v := newVolume(t)
		v.lags = strings.HasSuffix(when, "lags")
		v.Publish(map[string]string{"a.yaml": "a1", "b.yaml": "b1"})
		td.dir.step = func(step string) error {
			if strings.HasPrefix(when, step) {
				td.dir.step = func(string) error { return nil }
				v.Publish(map[string]string{"a.yaml": "a2", "b.yaml": "b2"})
			}
			return nil
		}
		if next := td.Pass(); next != 0 {
			t.Errorf("%s: the next pass is only after %v", when, next)
		}
		td.HasStarted(false)
		td.Swept(nil)
		td.Pass()
		td.HasStarted(true)
		td.Swept(whole("a.yaml", "b.yaml"))
		if when == "handled" {
			td.Applied("a1", "b1", "a2", "b2")
		} else {
			td.Applied("a2", "b2")
		}
	}
}

// A swap that nobody has told of is seen by the first pass after it, for
// whatever that is made.
func TestSwappedBeforeItsTurn(t *testing.T) {
	td, v := newVolume(t)
	v.Publish(map[string]string{"a.yaml": "fail", "b.yaml": "b1"})
	td.Pass()
	v.Publish(map[string]string{"a.yaml": "a2", "b.yaml": "b2"})
	if _, err := td.dir.pass(t.Context(), td.After(retryMin).clock); err != nil {
		t.Fatal(err)
	}
	td.Applied("b1", "a2", "b2")
	td.Swept(whole("a.yaml", "b.yaml"))
}

// What is not laid out as Kubernetes does it is a directory with links.
func TestNotAVolume(t *testing.T) {
	for name, target := range map[string]string{"not of Kubernetes": "plain", "below": "..x/y", "out": "..", "beyond": "../drop"} {
		t.Run(name, func(t *testing.T) {
			td := newKeepDir(t)
			td.Drop("plain/a.yaml", "a")
			td.Drop("..x/y/a.yaml", "a")
			td.Link(target, dataLink)
			td.Link("..data/a.yaml", "a.yaml")
			td.Drop("b.yaml", "b")
			td.Pass()
			if generation := td.dir.generation("."); generation != "" || !slices.Contains(td.ledger.applied, "b") {
				t.Errorf("it is taken for a volume: %q", generation)
			}
		})
	}
	td := newKeepDir(t)
	td.Drop("a.yaml", "a")
	td.Link("..gone", dataLink)
	td.Pass()
	td.HandedOver()
	td.Swept(nil)
}

// generations is a handler that checks that every file it was ever shown last
// is of one generation whenever a pass is through.
type generations struct {
	*testing.T
	holds  map[string]string // texts, by path
	passes chan string       // the generation after each
}

func (*generations) Ready() error { return nil }

func (g *generations) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	verdicts := make([]Verdict, len(group))
	for i, p := range group {
		if string(p.Data) != string(group[0].Data) {
			g.Errorf("%s holds %q beside %q", p.Path, p.Data, group[0].Data)
		}
		g.holds[p.Path] = string(p.Data)
		verdicts[i] = Verdict{Outcome: Installed}
	}
	return verdicts, nil
}

func (g *generations) Swept(_ context.Context, s Sweep) error {
	texts := map[string]bool{}
	for _, rel := range s.Present {
		texts[g.holds[rel]] = true
	}
	if len(texts) > 1 || !s.Whole || len(s.Present) != 20 {
		g.Errorf("a mix: %v of %d, whole = %v", texts, len(s.Present), s.Whole)
	}
	for text := range maps.Keys(texts) {
		g.passes <- text
	}
	return nil
}

// 200 swaps as fast as they can be made: every pass sees one generation, and
// the last one is what holds.
func TestSwaps(t *testing.T) {
	v := &volume{TB: t, path: t.TempDir()}
	publish := func(n int) {
		files := map[string]string{}
		for i := range 20 {
			files[fmt.Sprintf("%02d.yaml", i)] = fmt.Sprint(n)
		}
		v.Publish(files)
	}
	publish(0)
	g := &generations{T: t, holds: map[string]string{}, passes: make(chan string, 1000)}
	dir := New(Config{
		Name: "spool", Path: v.path, AfterApply: Keep, MaxSize: 1 << 20, Strict: true,
		Settle: 10 * time.Millisecond, Rescan: time.Hour, Resync: time.Hour, StartWait: time.Hour,
	}, g, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- dir.Run(ctx) }()
	<-dir.Started()
	for n := 1; n <= 200; n++ {
		publish(n)
	}
	passes := 0
	for text := ""; text != "200"; passes++ {
		text = <-g.passes
	}
	cancel()
	must(t, <-done)
	t.Logf("200 swaps in %d passes", passes)
}
