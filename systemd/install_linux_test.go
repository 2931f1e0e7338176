package systemd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The user and the directory that a package makes, in a directory that stands
// in for /.
func TestUserAndSpoolDirectory(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	for _, dir := range []string{"etc", "var/spool"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []struct{ name, arg, file string }{
		{"systemd-sysusers", "", "sysusers.d/tokendrop.conf"},
		{"systemd-tmpfiles", "--create", "tmpfiles.d/tokendrop.conf"},
	} {
		file, err := filepath.Abs(tool.file)
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Fields(tool.arg + " --root=" + root)
		if out, err := exec.Command(need(t, tool.name), append(args, file)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tool.name, err, out)
		}
	}
	user := strings.Split(lineOf(t, filepath.Join(root, "etc/passwd"), "tokendrop:"), ":")
	if user[5] != "/var/lib/tokendrop" || !strings.HasSuffix(user[6], "/nologin") {
		t.Errorf("the user is %q", user)
	}
	info, err := os.Stat(filepath.Join(root, "var/spool/tokendrop"))
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if info.Mode() != os.ModeDir|0o750 || strconv.Itoa(int(owner.Uid)) != user[2] || strconv.Itoa(int(owner.Gid)) != user[3] {
		t.Errorf("the spool directory is %v of %d:%d, the user is %q", info.Mode(), owner.Uid, owner.Gid, user)
	}
}

func lineOf(t *testing.T, path, prefix string) string {
	t.Helper()
	for line := range strings.Lines(read(t, path)) {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	t.Fatalf("no line of %s starts with %s", path, prefix)
	return ""
}

// spoolVariable tells the test binary that it is to be the daemon of
// TestCapabilitiesSuffice, and in which directory.
const spoolVariable = "SYSTEMD_TEST_SPOOL"

func TestMain(m *testing.M) {
	if spool := os.Getenv(spoolVariable); spool != "" {
		if err := claim(spool); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	for _, dir := range builds {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// claim does to root's files what the daemon does: it tells whether a writer
// has them open, reads them and moves them, and it can do no more than that.
func claim(spool string) error {
	path := filepath.Join(spool, "patch.yaml")
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return fmt.Errorf("taking a lease on root's file: %w", err)
	}
	if err := os.Mkdir(filepath.Join(spool, ".tokendrop"), 0o700); err != nil {
		return err
	}
	if err := os.Rename(path, filepath.Join(spool, ".tokendrop/patch.yaml")); err != nil {
		return err
	}
	if _, err := os.OpenFile(filepath.Join(spool, ".tokendrop/patch.yaml"), os.O_WRONLY, 0); err == nil {
		return errors.New("root's file can be written to")
	}
	if err := os.Rename(filepath.Join(spool, "of-root/patch.yaml"), filepath.Join(spool, "patch.yaml")); err == nil {
		return errors.New("a file of root's own directory can be moved")
	}
	return nil
}

// The two capabilities let another user lease and read root's 0600 file, and
// owning the directory lets it move the file; neither lets it do more.
func TestCapabilitiesSuffice(t *testing.T) {
	needRoot(t)
	numbers := map[string]uintptr{"CAP_LEASE": unix.CAP_LEASE, "CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH}
	var granted []uintptr
	for _, name := range strings.Fields(unit(t)["AmbientCapabilities"][0]) {
		granted = append(granted, numbers[name])
	}
	const nobody = 65534
	if out, err := claimAs(t, nobody, granted); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for i := range granted {
		out, err := claimAs(t, nobody, append(granted[:i:i], granted[i+1:]...))
		if err == nil || !strings.Contains(out, "permission denied") {
			t.Errorf("without capability number %d: %v: %s", granted[i], err, out)
		}
	}
}

// claimAs runs claim as that user in a spool directory that it owns, with a
// file of root's in it.
func claimAs(t *testing.T, uid uint32, capabilities []uintptr) (string, error) {
	t.Helper()
	spool := t.TempDir()
	for _, dir := range []string{spool, filepath.Join(spool, "of-root")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "patch.yaml"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(spool, int(uid), int(uid)); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/proc/self/exe")
	child.Env = []string{spoolVariable + "=" + spool}
	child.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uid, Gid: uid},
		AmbientCaps: capabilities,
	}
	out, err := child.CombinedOutput()
	return string(out), err
}
