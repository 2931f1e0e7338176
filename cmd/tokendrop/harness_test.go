package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
)

// TestMain makes the test binary the tokendrop that scripts and tests run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tokendrop": main})
}

// patience bounds each wait for something that happens at once.
const patience = 60 * time.Second

// machine is a place where a daemon is run, killed and started again.
type machine struct {
	t     *testing.T
	root  string
	drop  string
	spare string // where files are made before they are moved into drop
	http  *http.Client
	names *fsnotify.Watcher

	// secrets and out are for newFilesMachine.
	secrets, out string

	binary string
	// credential is the daemon's user; nil for the test's own.
	credential *credential

	cmd    *exec.Cmd
	exited chan error
	log    *logBuffer
}

// logBuffer is written by the daemon while a test reads it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const machineConfig = `
[store]
path = "%[1]s/store"

[[drop]]
name = "spool"
path = "%[1]s/drop"
%[2]s

[verify]
listen = ["unix:%[1]s/verify.sock"]

[admin]
socket = "%[1]s/admin.sock"
`

// needDaemon skips a test where there can be no daemon.
func needDaemon(t *testing.T) {
	t.Helper()
	if err := daemon.Supported(); err != nil {
		t.Skip(err)
	}
}

// newMachine prepares directories and a configuration; dropKeys are further
// lines of its [[drop]].
func newMachine(t *testing.T, dropKeys ...string) *machine {
	t.Helper()
	needDaemon(t)
	root, err := os.MkdirTemp("", "td") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, root: root, drop: root + "/drop", spare: root + "/spare", binary: "tokendrop", log: &logBuffer{}}
	for _, dir := range []string{m.drop, m.spare} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf(machineConfig, root, strings.Join(dropKeys, "\n"))
	if err := os.WriteFile(m.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.http = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", root+"/verify.sock")
		},
	}}
	if m.names, err = fsnotify.NewWatcher(); err == nil {
		err = m.names.Add(m.drop)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.cleanUp)
	return m
}

func (m *machine) cleanUp() {
	if m.cmd != nil {
		m.kill()
	}
	_ = m.names.Close()
	if m.t.Failed() {
		m.t.Logf("the daemon's log:\n%s", m.log)
	}
	if err := os.RemoveAll(m.root); err != nil {
		m.t.Error(err)
	}
}

func (m *machine) config() string { return m.root + "/tokendrop.toml" }

// launch starts the daemon, with a command in front if prefix has one, and
// does not wait for it.
func (m *machine) launch(prefix ...string) *net.UnixConn {
	m.t.Helper()
	address := &net.UnixAddr{Name: m.root + "/notify", Net: "unixgram"}
	_ = os.Remove(address.Name)
	notify, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chmod(address.Name, 0o666); err != nil { // for a daemon of another user
		m.t.Fatal(err)
	}
	line := append(prefix, m.binary, "serve", "--config", m.config())
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address.Name)
	cmd.Stderr = m.log
	cmd.SysProcAttr = groupAs(m.credential)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.cmd = cmd
	m.exited = make(chan error, 1)
	go func(cmd *exec.Cmd) { m.exited <- cmd.Wait() }(m.cmd)
	return notify
}

// start starts the daemon and waits until it says that it is ready, as
// systemd does.
func (m *machine) start(prefix ...string) {
	m.t.Helper()
	notify := m.launch(prefix...)
	defer notify.Close()
	ready := make(chan struct{})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := notify.Read(buf)
			if err != nil {
				return
			}
			if strings.Contains(string(buf[:n]), "READY=1") {
				close(ready)
				return
			}
		}
	}()
	select {
	case <-ready:
		// Where files stay there is none.
		if err := m.names.Add(filepath.Join(m.drop, ".tokendrop")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.t.Fatal(err)
		}
	case err := <-m.exited:
		m.exited <- err
		m.t.Fatalf("the daemon ended before it was ready: %v\n%s", err, m.log)
	case <-time.After(patience):
		m.t.Fatalf("the daemon is not ready\n%s", m.log)
	}
}

// kill ends the daemon, and what it was started under, as kill -9 does.
func (m *machine) kill() {
	if err := killGroup(m.cmd.Process.Pid); err != nil && !errors.Is(err, syscall.ESRCH) {
		m.t.Error(err)
	}
	<-m.exited
	m.cmd = nil
}

// stop ends the daemon as a supervisor does, and expects it to like that.
func (m *machine) stop() {
	m.t.Helper()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	select {
	case err := <-m.exited:
		if err != nil {
			m.t.Errorf("stopping: %v", err)
		}
	case <-time.After(patience):
		m.t.Fatal("the daemon does not stop")
	}
	m.cmd = nil
}

var outcomes = []string{"installed", "failed", "skipped"}

// put moves a manifest into the drop directory. An outcome that an earlier
// one of this name had is removed, so that the new one can be told.
func (m *machine) put(name, text string) {
	m.t.Helper()
	for _, suffix := range outcomes {
		_ = os.Remove(filepath.Join(m.drop, name+"."+suffix)) // most often there is none
	}
	tmp := filepath.Join(m.spare, filepath.Base(name))
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(m.drop, name)); err != nil {
		m.t.Fatal(err)
	}
}

// outcome waits until a dropped file has its outcome: the suffix of its new
// name, or "removed".
func (m *machine) outcome(name string) string {
	m.t.Helper()
	deadline := time.After(patience)
	for {
		if outcome := m.glance(name); outcome != "" {
			return outcome
		}
		select {
		case <-m.names.Events:
		case <-m.names.Errors:
		case <-deadline:
			m.t.Fatalf("%s has no outcome\n%s", name, m.log)
		}
	}
}

func (m *machine) glance(name string) string {
	if m.exists(name) {
		return ""
	}
	claimed := len(m.claims()) > 0 // before the names: an outcome shows before its claim goes
	for _, suffix := range outcomes {
		if m.exists(name + "." + suffix) {
			return suffix
		}
	}
	if claimed {
		return ""
	}
	return "removed"
}

func (m *machine) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(m.drop, name))
	return err == nil
}

// claims lists what lies in .tokendrop beside the lock.
func (m *machine) claims() []string {
	var found []string
	_ = filepath.WalkDir(filepath.Join(m.drop, ".tokendrop"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != ".lock" {
			found = append(found, path)
		}
		return nil // what vanishes meanwhile is no claim
	})
	return found
}

// install drops a manifest and expects it to be installed.
func (m *machine) install(name, text string) {
	m.t.Helper()
	m.put(name, text)
	if got := m.outcome(name); got != "installed" {
		m.t.Fatalf("%s: %s\n%s", name, got, m.read(name+".failed.reason"))
	}
}

func (m *machine) read(name string) string {
	text, err := os.ReadFile(filepath.Join(m.drop, name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// verify asks the gate, and returns the status with the reason or the key.
func (m *machine) verify(token string) string {
	m.t.Helper()
	return m.verifyWith(http.Header{"Authorization": {"APIToken " + token}})
}

func (m *machine) verifyWith(header http.Header) string {
	m.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://tokendrop/verify", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header = header
	resp, err := m.http.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Token-Reason")+resp.Header.Get("X-Token-Key"))
}

// run runs a command of tokendrop and returns its output.
func (m *machine) run(args ...string) ([]byte, error) {
	cmd := exec.Command("tokendrop", append(args, "--config", m.config())...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return out, err
}

func ask[T any](m *machine, args ...string) T {
	m.t.Helper()
	out, err := m.run(append(args, "-o", "json")...)
	if err != nil {
		m.t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(out, &v); err != nil {
		m.t.Fatal(err)
	}
	return v
}

func (m *machine) list() []admin.Token {
	m.t.Helper()
	return ask[[]admin.Token](m, "list")
}

func (m *machine) history() []admin.Entry {
	m.t.Helper()
	return ask[[]admin.Entry](m, "history")
}

// requireTool skips a test where a program is missing.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, name+" is not installed")
	}
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "only root can run the daemon as another user")
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
