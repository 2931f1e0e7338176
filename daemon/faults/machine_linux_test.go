package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// patience bounds each wait for something that happens soon.
const patience = 60 * time.Second

// glances is how often is looked for what nobody tells of.
const glances = 5 * time.Millisecond

// machine is a place where a daemon is run, and what should be there.
type machine struct {
	*testing.T
	*model
	*tally
	root  string
	gate  *http.Client
	admin *admin.Client
	// cut: the disk has lost what was not synced since the last check.
	cut bool

	cmd    *exec.Cmd // nil while none runs
	exited chan struct{}
	log    *bytes.Buffer // of the last daemon; to be read when it has ended
	warden *warden       // of its system calls, if they are watched
}

func newMachine(t *testing.T, into *tally) *machine {
	t.Helper()
	root, err := os.MkdirTemp("", "td") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := &machine{T: t, tally: into, root: root, model: newModel(seed, root+"/disk/out"), admin: admin.NewClient(root + "/admin.sock")}
	m.gate = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", root+"/verify.sock")
		},
	}}
	m.mkdir("disk")
	m.mkdir(beside)
	m.mkdir(kept)
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("the log of the last daemon:\n%s", m.log)
		}
		_ = os.RemoveAll(root)
	})
	return m
}

func (m *machine) mkdir(name string) {
	m.Helper()
	if err := os.MkdirAll(filepath.Join(m.root, name), 0o700); err != nil {
		m.Fatal(err)
	}
}

// furnish makes what has to be on the disk.
func (m *machine) furnish() {
	m.Helper()
	m.mkdir(onDisk)
	m.mkdir("disk/out")
}

// launch starts a daemon, under a warden if there is one.
func (m *machine) launch(w *warden) (ready <-chan struct{}) {
	m.Helper()
	text, err := json.Marshal(task{Root: m.root, Warden: w != nil})
	if err != nil {
		m.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), taskVariable+"="+string(text), "GODEBUG=asyncpreemptoff=1")
	m.log = &bytes.Buffer{}
	cmd.Stderr = m.log
	// The kernel ends it if this process dies before it can.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil && w != nil {
		err = w.attach(cmd)
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		m.Fatal(err)
	}
	if m.cmd, m.warden, m.exited = cmd, w, make(chan struct{}); w != nil {
		w.begin(m.Context(), m.root)
	}
	said, exited := make(chan struct{}), m.exited
	go func() {
		lines := bufio.NewScanner(out)
		if lines.Scan() {
			close(said)
		}
		_ = cmd.Wait() // how it ended does not matter, or is in its log
		close(exited)
	}()
	return said
}

// start returns when the daemon is ready, or an error if it ends before.
func (m *machine) start(w *warden) error {
	m.Helper()
	select {
	case <-m.launch(w):
		return nil
	case <-m.exited:
		m.kill()
		return errors.New(m.log.String())
	case <-time.After(patience):
		m.kill()
		m.Fatalf("the daemon is not ready: %s", m.log)
		return nil
	}
}

func (m *machine) mustStart(w *warden) {
	m.Helper()
	if err := m.start(w); err != nil {
		m.lost += m.acknowledged // nothing of it can be had
		m.Fatalf("the daemon has ended: %v", err)
	}
}

// kill returns when the daemon is gone.
func (m *machine) kill() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill() // unless it is gone
	<-m.exited
	if m.warden != nil {
		m.warden.end()
	}
	m.cmd, m.warden = nil, nil
}

// drop moves a patch into its directory. What has no place there is not dropped.
func (m *machine) drop(p *patch) {
	dir := filepath.Join(m.root, p.dir)
	hidden := filepath.Join(dir, "."+p.path)
	err := os.WriteFile(hidden, []byte(p.text), 0o600)
	if err == nil {
		err = os.Rename(hidden, filepath.Join(dir, p.path))
	}
	if err != nil {
		_ = os.Remove(hidden) // as far as it goes
		m.forget(p)
	}
}

// work drops patches, and takes note of outcomes, until done is closed or the
// daemon has ended.
func (m *machine) work(done <-chan struct{}) {
	tick := time.NewTicker(glances)
	defer tick.Stop()
	for {
		if s := m.stories[m.random.IntN(len(m.stories))]; s.flying == nil {
			m.drop(m.next(s))
		}
		m.glance()
		select {
		case <-done:
			return
		case <-m.exited:
			return
		case <-tick.C:
		}
	}
}

// glance takes note of outcomes that show.
func (m *machine) glance() {
	for _, s := range m.stories {
		if p := s.flying; p != nil && m.shows(p) {
			m.acknowledge(p)
		}
	}
}

// shows tells whether a patch has its outcome. Where files stay that is its
// entry in the ledger, and what it is to write, which comes after that.
func (m *machine) shows(p *patch) bool {
	if p.dir == kept {
		return m.entries(admin.EntryFilter{Dir: p.dir, Path: p.path})[p.id()] != nil && m.written(p)
	}
	_, err := os.Lstat(filepath.Join(m.root, p.dir, p.path+"."+p.outcome()))
	return err == nil
}

// acknowledge notes that an outcome was seen: from now on verify has to know.
func (m *machine) acknowledge(p *patch) {
	m.Helper()
	before := p.secrets
	m.enter(p, m.generated(p))
	m.acknowledged++
	for i, text := range p.secrets {
		m.judge(p.story, text)
		if before[i] != text {
			m.judge(p.story, before[i])
		}
	}
}

// generated reads a secret that was written for a patch.
func (m *machine) generated(p *patch) func(name string) string {
	return func(name string) string {
		m.Helper()
		got, fresh := m.output(p, name)
		if !fresh {
			m.lost++
			m.Errorf("%s/%s has its outcome, and its new token is not there", p.dir, p.path)
		}
		return got
	}
}

// written tells whether what a patch is to write is there.
func (m *machine) written(p *patch) bool {
	for _, name := range names {
		if _, fresh := m.output(p, name); p.kind == regenerate && !fresh {
			return false
		}
	}
	return true
}

func (m *machine) output(p *patch, name string) (text string, fresh bool) {
	bytes, err := os.ReadFile(fmt.Sprintf("%s/%s-%s", m.out, p.user, name))
	text = strings.TrimSpace(string(bytes))
	return text, err == nil && !m.issued[text]
}

// judge compares what the gate says of a secret with what it should. It does
// not matter if there is no answer, which is for the checks to find.
func (m *machine) judge(s *story, text string) {
	m.Helper()
	got, err := m.verify(text)
	want := s.verdict(text)
	if text == "" || err != nil || got == want {
		return
	}
	switch {
	case got == "200 " && want == "401 invalid_token":
		m.resurrected++
	case want == "200 ":
		m.lost++
	default:
		m.wrong++
	}
	m.Errorf("a token of %s in %s: the gate says %q, want %q", s.user, s.dir, got, want)
}

func (m *machine) verify(text string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://tokendrop/verify", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-API-Key", text)
	resp, err := m.gate.Do(req)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return "", errors.New("the daemon is not ready")
	}
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Token-Reason")), nil
}

// entries are those of the ledger that are meant, as far as it can be read, by
// patch.
func (m *machine) entries(f admin.EntryFilter) map[string][]admin.Entry {
	all := map[string][]admin.Entry{}
	for e, err := range m.admin.History(m.Context(), f) {
		if err != nil {
			return nil
		}
		id := ledgerID(e.Dir, e.Path, e.SHA256)
		all[id] = append(all[id], e)
	}
	return all
}
