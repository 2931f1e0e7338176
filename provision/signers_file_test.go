//go:build unix

package provision

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file that others may change, or replace, lets nobody sign.
func TestSignersFile(t *testing.T) {
	_, key := lineKey(t)
	path := filepath.Join(t.TempDir(), "etc", "allowed_signers")
	set := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set(os.Mkdir(filepath.Dir(path), 0o755))
	try := func(want string) {
		t.Helper()
		s, err := readSigners(path)
		switch {
		case err == nil && (want != "" || len(s.usable) != 1):
			t.Errorf("%d usable lines, want the error %q", len(s.usable), want)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %q", err, want)
		}
	}
	try("no such file")
	set(os.WriteFile(path, []byte("alice "+key), 0o644))
	try("")
	set(os.Chmod(path, 0o666))
	try("run: chmod go-w " + path)
	set(os.Chmod(path, 0o664))
	try("run: chmod go-w " + path)
	set(os.Chmod(path, 0o644))
	set(os.Chmod(filepath.Dir(path), 0o777))
	try("run: chmod go-w " + filepath.Dir(path))
	set(os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
	try("")
	if os.Geteuid() == 0 {
		set(os.Chown(path, 1234, 1234))
		try("run: chown root " + path)
		set(os.Chown(path, 0, 1234))
		set(os.Chown(filepath.Dir(path), 1234, 0))
		try("run: chown root " + filepath.Dir(path))
		set(os.Chown(filepath.Dir(path), 0, 0))
	}
	target := path + ".real"
	set(os.Rename(path, target))
	set(os.Symlink(target, path))
	try("")
	set(os.Chmod(target, 0o602))
	try("run: chmod go-w " + target)
	set(os.Remove(path))
	set(os.Mkdir(path, 0o755))
	try("not a regular file")
	set(os.Remove(path))
	set(syscall.Mkfifo(path, 0o600))
	try("not a regular file")
	set(os.Remove(path))
	set(os.WriteFile(path, make([]byte, maxSigners+1), 0o600))
	try("larger than 1 MiB")
}
