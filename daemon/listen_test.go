package daemon

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// socketDir is short enough for a socket's path.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "td")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestSocketModes(t *testing.T) {
	dir := socketDir(t)
	control, err := listenAdmin(t.Context(), config.Admin{Socket: dir + "/admin/sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	gate, err := listenVerify(t.Context(), config.Address{Network: "unix", Address: dir + "/verify/sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	for path, want := range map[string]fs.FileMode{
		"admin/sock": 0o600, "verify/sock": 0o666, "verify": 0o755,
	} {
		if got := mode(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
}

// A socket is taken over from a daemon that was killed, and from nobody else.
func TestSocketTakenOver(t *testing.T) {
	address := config.Address{Network: "unix", Address: socketDir(t) + "/sock"}
	first, err := listenVerify(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenVerify(t.Context(), address); !errors.Is(err, errSocketInUse) {
		t.Errorf("a second daemon: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 leaves it
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := listenVerify(t.Context(), address)
	if err != nil {
		t.Fatalf("after a crash: %v", err)
	}
	defer second.Close()

	other := config.Address{Network: "unix", Address: socketDir(t) + "/file"}
	if err := os.WriteFile(other.Address, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenVerify(t.Context(), other); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// An error of the network names the address once.
func TestListenError(t *testing.T) {
	_, err := listenVerify(t.Context(), config.Address{Network: "tcp", Address: "192.0.2.1:1"})
	if err == nil || strings.Count(err.Error(), "192.0.2.1:1") != 1 {
		t.Errorf("error: %v", err)
	}
}
