// Package systemd_test checks the files of the packaged service: alone, with
// systemd's own tools, and against the daemon's defaults.
package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// unit is a unit file's settings: all values of each key, without sections.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(read(t, "tokendrop.service")) {
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
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": "78",
	} {
		if got := settings[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want once %q", key, got, want)
		}
	}
	for key := range settings {
		if slices.Contains([]string{"PermissionsStartOnly", "DynamicUser", "ExecReload", "SecureBits"}, key) {
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
	if !strings.Contains(read(t, "tmpfiles.d/tokendrop.conf"), "\nd "+c.Drops[0].Path+" ") {
		t.Errorf("tmpfiles.d does not make %s", c.Drops[0].Path)
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze := need(t, "systemd-analyze")
	// The program is not installed where this test runs.
	text := strings.Replace(read(t, "tokendrop.service"), "/usr/bin/tokendrop serve", "/bin/true", 1)
	path := filepath.Join(t.TempDir(), "tokendrop.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", path).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Unknown settings are warnings only.
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("tokendrop.service")) {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}
