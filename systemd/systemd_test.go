// Package systemd_test checks the files of the packaged service: alone, with
// systemd's own tools, and against the daemon's defaults.
package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// need finds a program that the test cannot do without. In CI a missing one
// is a failure, because a skipped test shows nothing.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed, and CI has to run this test", program)
	default:
		t.Skipf("%s is not installed", program)
	}
	return ""
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI has to run this test as root")
	}
	t.Skip("this test needs root")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unit is the settings of the service.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	return settingsOf(t, "tokendrop.service")
}

// settingsOf is a unit file's settings: all values of each key, without sections.
func settingsOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(read(t, file)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	return settings
}

func TestSettings(t *testing.T) {
	settings := unit(t)
	for key, want := range map[string]string{
		"Type":                     "notify",
		"ExecStart":                "/usr/bin/tokendrop serve",
		"User":                     "tokendrop",
		"Group":                    "tokendrop",
		"AmbientCapabilities":      "CAP_LEASE CAP_DAC_READ_SEARCH",
		"CapabilityBoundingSet":    "CAP_LEASE CAP_DAC_READ_SEARCH",
		"NoNewPrivileges":          "yes",
		"StateDirectoryMode":       "0700",
		"ProtectSystem":            "strict",
		"ExecReload":               `/bin/sh -c "kill -HUP ${MAINPID} && exec /usr/bin/tokendrop config >/dev/null"`,
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": "78",
	} {
		if got := settings[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want once %q", key, got, want)
		}
	}
	for key := range settings {
		if slices.Contains([]string{"PermissionsStartOnly", "DynamicUser", "PrivateUsers", "SecureBits"}, key) {
			t.Errorf("%s is stated", key)
		}
	}
}

// The unit makes the directories that the daemon uses when nothing is
// configured.
func TestDirectoriesAreTheDefaults(t *testing.T) {
	c, settings := config.Default(), unit(t)
	if state := "/var/lib/" + settings["StateDirectory"][0]; filepath.Dir(c.Store.Path) != state {
		t.Errorf("the store is %s, the unit makes %s", c.Store.Path, state)
	}
	if run := "/run/" + settings["RuntimeDirectory"][0] + "/"; !strings.HasPrefix(c.Admin.Socket, run) {
		t.Errorf("the admin socket is %s, the unit makes %s", c.Admin.Socket, run)
	}
	if mounts := settings["RequiresMountsFor"]; len(mounts) != 1 || mounts[0] != c.Drops[0].Path {
		t.Errorf("the drop directory is %s, the unit waits for %q", c.Drops[0].Path, mounts)
	}
	if writable := settings["ReadWritePaths"]; len(writable) != 1 || writable[0] != filepath.Dir(c.Drops[0].Path) {
		t.Errorf("the drop directory is %s, what lies in %q can be made anew and written to", c.Drops[0].Path, writable)
	}
	if socket := settingsOf(t, "tokendrop-verify.socket"); socket["ListenStream"][0] != c.Verify.Listen[0].Address || socket["FileDescriptorName"][0] != "verify" {
		t.Errorf("the socket is %v, the default %v", socket, c.Verify.Listen)
	}
	if !strings.Contains(read(t, "tmpfiles.d/tokendrop.conf"), "\nd "+c.Drops[0].Path+" ") {
		t.Errorf("tmpfiles.d does not make %s", c.Drops[0].Path)
	}
}

// installed copies the units to a directory, with a program that is there.
func installed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"tokendrop.service", "tokendrop-verify.socket"} {
		text := strings.Replace(read(t, name), "/usr/bin/tokendrop serve", "/bin/true", 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	analyze, dir := need(t, "systemd-analyze"), installed(t)
	out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", dir+"/tokendrop.service", dir+"/tokendrop-verify.socket").CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Unknown settings are warnings only.
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("tokendrop")) {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

// maxExposure is how much of the system the service may see, by the measure of
// systemd-analyze(1), which has 10 for all of it.
const maxExposure = 1.5

func TestExposure(t *testing.T) {
	out, err := exec.Command(need(t, "systemd-analyze"), "security", "--offline=true", "--no-pager", installed(t)+"/tokendrop.service").CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	_, last, _ := strings.Cut(string(out), "Overall exposure level for tokendrop.service: ")
	exposure, err := strconv.ParseFloat(strings.Fields(last + " ?")[0], 64)
	if err != nil || exposure > maxExposure {
		t.Errorf("the exposure is %v (%v), want at most %v\n%s", exposure, err, maxExposure, out)
	}
	t.Logf("the exposure is %v", exposure)
}
