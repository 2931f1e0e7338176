package systemd_test

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The packages for another processor have its program, and are sound as far as
// that can be seen without one.
func TestArm64(t *testing.T) {
	lintian := need(t, "lintian")
	out := build(t, "1.0.0", "arm64")
	program, err := elf.Open(out + "/tokendrop")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }() // nothing was written
	if libraries, err := program.ImportedLibraries(); program.Machine != elf.EM_AARCH64 || len(libraries) > 0 || err != nil {
		t.Errorf("the program is for %v and needs %q (%v)", program.Machine, libraries, err)
	}
	if arch := output(t, need(t, "dpkg-deb"), "--field", out+"/tokendrop.deb", "Architecture"); arch != "arm64" {
		t.Errorf("the deb is for %s", arch)
	}
	if arch := output(t, need(t, "rpm"), "-qp", "--queryformat", "%{ARCH}", out+"/tokendrop.rpm"); arch != "aarch64" {
		t.Errorf("the rpm is for %s", arch)
	}
	judge(t, lintian, out+"/tokendrop.deb")
}

// Both packages bring the same files, in the places that differ between those
// who use them.
func TestContents(t *testing.T) {
	rpm, deb := need(t, "rpm"), need(t, "dpkg-deb")
	out := build(t, "1.0.0", "amd64")
	inDeb, inRPM := []string(nil), []string(nil)
	for line := range strings.Lines(output(t, deb, "--contents", out+"/tokendrop.deb") + "\n") {
		if fields := strings.Fields(line); strings.HasPrefix(fields[0], "-") {
			inDeb = append(inDeb, strings.TrimPrefix(fields[5], "."))
		}
	}
	for line := range strings.Lines(output(t, rpm, "-qpl", out+"/tokendrop.rpm") + "\n") {
		inRPM = append(inRPM, strings.TrimSpace(line))
	}
	places := strings.NewReplacer("/lib/systemd/system/", "/usr/lib/systemd/system/", "/vendor-completions/", "/site-functions/")
	for i, path := range inDeb {
		if !strings.HasPrefix(path, "/usr/lib/") {
			inDeb[i] = places.Replace(path)
		}
	}
	inDeb = slices.DeleteFunc(inDeb, func(path string) bool { // what Debian's policy alone asks for
		return strings.HasPrefix(path, "/usr/share/lintian/") || filepath.Base(path) == "changelog.gz"
	})
	slices.Sort(inDeb)
	slices.Sort(inRPM)
	if !slices.Equal(inDeb, inRPM) {
		t.Errorf("the deb has %q,\nthe rpm %q", inDeb, inRPM)
	}
	if config := output(t, rpm, "-qpc", out+"/tokendrop.rpm"); config != "/etc/tokendrop/tokendrop.toml" {
		t.Errorf("configuration files of the rpm are %q", config)
	}
}

// The RPM package in a root that is not booted: its scripts make the user and
// the directory and enable the service; a configuration that was changed stays.
func TestRPM(t *testing.T) {
	needRoot(t)
	need(t, "debootstrap")
	rpm, root := need(t, "rpm"), debianRoot(t)
	do := func(args ...string) { // Debian's rpm knows of no package there
		t.Helper()
		const withProc = `mount -t proc proc "$1/proc" && exec "$0" --root "$@"` // gone with its namespace
		output(t, "unshare", append([]string{"-m", "sh", "-ec", withProc, rpm, root, "--nodeps", "--nosignature"}, args...)...)
	}
	in := func(script string) string {
		t.Helper()
		return output(t, "chroot", root, "/bin/sh", "-ec", script)
	}
	do("--install", build(t, "1.0.0", "amd64")+"/tokendrop.rpm")
	in("tokendrop version | grep -q v1.0.0; test \"$(stat -c %U%a /var/spool/tokendrop)\" = tokendrop750; test $(systemctl is-enabled tokendrop) = enabled; ! systemctl is-enabled tokendrop-verify.socket")
	in("echo '# kept' >>/etc/tokendrop/tokendrop.toml; mkdir -p /var/lib/tokendrop/store")
	do("--upgrade", build(t, "1.0.1", "amd64")+"/tokendrop.rpm")
	in("tokendrop version | grep -q v1.0.1; grep -q kept /etc/tokendrop/tokendrop.toml; systemctl is-enabled tokendrop")
	do("--erase", "tokendrop")
	left := in("ls -d /usr/bin/tokendrop /etc/systemd/system/*/tokendrop* /etc/tokendrop/* /var/lib/tokendrop/store 2>/dev/null || true")
	if want := "/etc/tokendrop/tokendrop.toml.rpmsave\n/var/lib/tokendrop/store"; left != want {
		t.Errorf("after it was erased there is %q, want %q", left, want)
	}
}

// output is what a program prints, which has to succeed.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// judge asks lintian, which may have nothing against a package.
func judge(t *testing.T, lintian, deb string) {
	t.Helper()
	out, err := exec.Command(lintian, "--fail-on=error,warning", "--allow-root", "--tag-display-limit=0", deb).CombinedOutput()
	if err != nil || regexp.MustCompile(`(?m)^[EW]: `).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}
