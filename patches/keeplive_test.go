//go:build unix

package patches

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// keepingLive is a Dir in keep mode with its own goroutine and the real clock. Its
// handler tells of every patch and of every sweep.
type keepingLive struct {
	*testing.T
	path string
	dir  *Dir
	told chan string
}

func (*keepingLive) Ready() error { return nil }

func (k *keepingLive) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	verdicts := make([]Verdict, len(group))
	for i, p := range group {
		verdicts[i] = verdictOn(p)
		k.told <- p.Path + "=" + string(p.Data)
	}
	return verdicts, nil
}

func (k *keepingLive) Swept(_ context.Context, s Sweep) error {
	k.told <- strings.Join(s.Present, " ")
	return nil
}

func keepLive(t *testing.T, path string) *keepingLive {
	k := &keepingLive{T: t, path: path, told: make(chan string, 10000)}
	k.dir = New(Config{
		Name: "spool", Path: path, AfterApply: Keep, MaxSize: 1 << 20, Strict: true,
		Settle: 10 * time.Millisecond, Rescan: time.Hour, Resync: time.Hour, StartWait: time.Hour,
	}, k, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.dir.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return k
}

// until waits until that is told.
func (k *keepingLive) until(what string) {
	k.Helper()
	var before []string
	for {
		select {
		case got := <-k.told:
			if got == what {
				return
			}
			before = append(before, got)
		case <-time.After(time.Minute):
			k.Fatalf("not told %q, but %q", what, before)
		}
	}
}

// Nothing here is found by a rescan: it would take an hour.
func TestKeepHints(t *testing.T) {
	k := keepLive(t, t.TempDir())
	<-k.dir.Started()
	in := func(rel string) string { return filepath.Join(k.path, rel) }
	write := func(rel, text string) { must(t, os.WriteFile(in(rel), []byte(text), 0o644)) }
	write("a.yaml", "1")
	k.until("a.yaml=1")
	write("a.yaml", "2")
	k.until("a.yaml=2")
	must(t, os.Mkdir(in("sub"), 0o755))
	write("sub/b.yaml", "3")
	k.until("sub/b.yaml=3")
	must(t, os.Rename(in("a.yaml"), in("c.yaml")))
	k.until("c.yaml sub/b.yaml")
	must(t, os.Rename(in("sub"), in("..sub")))
	k.until("c.yaml")
	must(t, os.Symlink("c.yaml", in("link.yaml")))
	k.until("link.yaml=2")
	must(t, os.Remove(in("link.yaml")))
	k.until("c.yaml")
	k.dir.Reevaluate()
	k.until("c.yaml=2")
}

// A name that is dropped again and again, whatever becomes of the texts in
// between, ends as it was dropped last.
func TestDroppedAgainAndAgain(t *testing.T) {
	r := run(t, t.TempDir())
	<-r.dir.Started()
	const times = 60
	for n := 1; n <= times; n++ {
		r.drop("x.yaml", fmt.Sprint(n))
	}
	for last := 0; last < times; {
		text, _ := strings.CutPrefix(<-r.applied, "x.yaml=")
		n, err := strconv.Atoi(text)
		if err != nil || n <= last {
			t.Fatalf("%q was applied after %d", text, last)
		}
		last = n
	}
}
