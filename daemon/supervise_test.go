//go:build unix

package daemon

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/swapstore"
)

// stuckHandler decides when it is told to.
type stuckHandler struct{ entered, release chan struct{} }

func (stuckHandler) Swept(context.Context, patches.Sweep) error { return nil }

func (stuckHandler) Ready() error { return nil }

func (h stuckHandler) Handle(_ context.Context, group []patches.Patch) ([]patches.Verdict, error) {
	h.entered <- struct{}{}
	<-h.release
	return slices.Repeat([]patches.Verdict{{Outcome: patches.Installed}}, len(group)), nil
}

// A loop that has nothing to do has a pulse; one that is held up has none, until
// it moves on.
func TestPulse(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	h := stuckHandler{make(chan struct{}), make(chan struct{})}
	dir := patches.New(patches.Config{Name: "spool", Path: path, Rescan: time.Hour, MaxSize: 1 << 20}, h, zerolog.Nop())
	p := &pulse{dirs: func() []*patches.Dir { return []*patches.Dir{dir} }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- dir.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	moves := func() {
		t.Helper()
		for range 3 { // once could be the end of what came before
			for p.heldUp() != nil {
				if t.Context().Err() != nil {
					t.Fatal("the loop does not move on")
				}
			}
		}
	}
	moves()
	if err := os.WriteFile(filepath.Join(path, "x.yaml"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	<-h.entered
	if done, all := dir.Progress(); done != 0 || all != 1 {
		t.Errorf("%d of %d are done", done, all)
	}
	p.heldUp()
	for range 3 {
		if got := p.heldUp(); !slices.Equal(got, []string{"spool"}) {
			t.Errorf("%q are held up, and not spool", got)
		}
	}
	h.release <- struct{}{}
	moves()
	if done, all := dir.Progress(); done != 0 || all != 0 {
		t.Errorf("%d of %d are done, and nothing is under way", done, all)
	}
}

// What systemd is told: more time as long as a first pass moves on, pings when
// verify answers, and neither by a daemon that is stuck.
func TestNews(t *testing.T) {
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon(swapstore.New(st), Options{Log: zerolog.Nop()})
	d.applier = newApplier(d.store, provision.Settings{}, time.Now)
	stuck := patches.New(patches.Config{Name: "spool"}, nil, zerolog.Nop()) // which nobody runs
	for name, c := range map[string]struct {
		ready, stuck, watched, answers bool
		want                           string
	}{
		"first pass":           {watched: true, want: "STATUS=first pass over the drop directories; 0 tokens\nEXTEND_TIMEOUT_USEC=60000000"},
		"stuck in it":          {stuck: true, watched: true, want: "STATUS=first pass over the drop directories; 0 tokens"},
		"well":                 {ready: true, watched: true, answers: true, want: "STATUS=ready; 0 tokens\nWATCHDOG=1"},
		"no watchdog":          {ready: true, answers: true, want: "STATUS=ready; 0 tokens"},
		"stuck":                {ready: true, stuck: true, watched: true, answers: true, want: "STATUS=ready; 0 tokens"},
		"verify does not":      {ready: true, watched: true, want: "STATUS=ready; 0 tokens"},
		"neither nor watchdog": {ready: true, stuck: true, want: "STATUS=ready; 0 tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			d.ready.Store(c.ready)
			p := &pulse{answers: func(context.Context) bool { return c.answers }, dirs: func() []*patches.Dir { return nil }}
			if c.stuck {
				p.dirs = func() []*patches.Dir { return []*patches.Dir{stuck} }
				p.heldUp()
			}
			if got := d.news(t.Context(), p, c.watched); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// The same status is told once, and everything else each time.
func TestNotify(t *testing.T) {
	path := socketDir(t) + "/notify"
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	d := &daemon{Options: Options{Log: zerolog.Nop()}}
	for _, state := range []string{"STATUS=a", "STATUS=a", "STATUS=a\nWATCHDOG=1", "STATUS=a\nWATCHDOG=1", "STATUS=b", "end"} {
		d.notify(state)
	}
	var got []string
	for buf := make([]byte, 100); len(got) == 0 || got[len(got)-1] != "end"; {
		n, err := l.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(buf[:n]))
	}
	if want := "STATUS=a|STATUS=a\nWATCHDOG=1|STATUS=a\nWATCHDOG=1|STATUS=b|end"; strings.Join(got, "|") != want {
		t.Errorf("told %q", got)
	}
}

// Verify is asked as a proxy asks it; nobody listening is no answer, and no
// gates are nobody's fault.
func TestAnswers(t *testing.T) {
	a := answering(t, tcp("127.0.0.1:0"), nil, true)
	at, err := net.ResolveTCPAddr("tcp", a.Address)
	if err != nil {
		t.Fatal(err)
	}
	verifies := server{listener: fixed{addr: at}, asked: true, plain: true}
	if !answers(t.Context(), []server{{}, verifies}) {
		t.Error("one that answers does not live")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if answers(ctx, []server{{listener: silent, asked: true, plain: true}}) {
		t.Error("one that does not answer lives")
	}
}

// fixed is a listener at an address.
type fixed struct {
	net.Listener
	addr net.Addr
}

func (f fixed) Addr() net.Addr { return f.addr }
