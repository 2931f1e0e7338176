//go:build unix

package patches

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*Config)
		files      []string
		left       string // the text of the first of them
	}{
		{"installed", "a", nil, []string{installedSuffix}, "a"},
		{"skipped", "skip", nil, []string{skippedSuffix}, "skip"},
		{"failed", "fail", nil, []string{failedSuffix, reasonSuffix}, "fail"},
		{"redacted", "secret a", nil, []string{installedSuffix}, "REDACTED"},
		{"not redacted", "secret a", func(c *Config) { c.Redact = false }, []string{installedSuffix}, "secret a"},
		{"removed by the manifest", "remove", nil, nil, ""},
		{"removed by configuration", "a", func(c *Config) { c.AfterApply = Remove }, nil, ""},
		{"skipped and removed", "skip", func(c *Config) { c.AfterApply = Remove }, nil, ""},
		{"failed stays", "fail", func(c *Config) { c.AfterApply = Remove }, []string{failedSuffix, reasonSuffix}, "fail"},
		{"too large", strings.Repeat("x", 100), func(c *Config) { c.MaxSize = 99 }, []string{failedSuffix, reasonSuffix}, strings.Repeat("x", 100)},
		{"just not too large", strings.Repeat("x", 100), func(c *Config) { c.MaxSize = 100 }, []string{installedSuffix}, strings.Repeat("x", 100)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			td := newDropDir(t)
			if tt.change != nil {
				tt.change(&td.cfg)
				td.Restart()
			}
			for _, rel := range []string{"x.yaml", "deep/er/x.yaml"} {
				td.Drop(rel, tt.text)
				td.Pass()
				td.Outcome(rel, tt.files...)
				if len(tt.files) > 0 && td.Text(rel+tt.files[0]) != tt.left {
					td.Errorf("%s%s holds %q, want %q", rel, tt.files[0], td.Text(rel+tt.files[0]), tt.left)
				}
			}
			td.NoClaims()
			if len(td.ledger.entries) != 2 {
				t.Errorf("%d ledger entries, want 2", len(td.ledger.entries))
			}
		})
	}
}

func TestReasonHasALinePerError(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "fail")
	td.Pass()
	if got, want := td.Text("x.yaml.failed.reason"), "x.yaml:1:1: wrong\nx.yaml:2:1: wrong too\n"; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
}

func TestOlderOutcomesAreReplaced(t *testing.T) {
	td := newDropDir(t)
	for _, text := range []string{"fail", "a"} {
		td.Drop("x.yaml", text)
		td.Pass()
	}
	td.Outcome("x.yaml", installedSuffix)
	td.Drop("x.yaml", "b")
	td.Pass()
	if got := td.Text("x.yaml.installed"); got != "b" {
		t.Errorf("installed holds %q, want the newer text", got)
	}
	td.Drop("x.yaml", "fail")
	td.Pass()
	td.Outcome("x.yaml", installedSuffix, failedSuffix, reasonSuffix)
}

// A link in the place of an outcome is replaced, not followed; a directory
// there keeps the claim until it is gone. Invariants 4 and 6.
func TestSomethingElseHasTheOutcomesName(t *testing.T) {
	td := newDropDir(t)
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.WriteFile(other, []byte("precious"), 0o644))
	must(t, os.Symlink(other, filepath.Join(td.path, "x.yaml.installed")))
	must(t, os.Symlink(other, filepath.Join(td.path, "s.yaml.installed")))
	must(t, os.MkdirAll(filepath.Join(td.path, "d.yaml.installed", "full"), 0o755))
	td.Drop("x.yaml", "a")
	td.Drop("s.yaml", "secret")
	td.Drop("d.yaml", "b")
	td.Pass()
	if text, _ := os.ReadFile(other); string(text) != "precious" {
		t.Errorf("a link was followed: %q", text)
	}
	td.Outcome("x.yaml", installedSuffix)
	td.Waits("d.yaml", Unfinishable)
	td.After(time.Hour).Pass()
	td.Logged("its outcome cannot be written", 1)

	must(t, os.RemoveAll(filepath.Join(td.path, "d.yaml.installed")))
	td.After(time.Hour).Pass()
	td.Outcome("d.yaml", installedSuffix)
	td.Applied("b", "secret", "a")
	td.NoClaims()
}

func TestOutcomesAreTheDaemons(t *testing.T) {
	asRoot(t)
	for name, tt := range map[string]struct {
		text, suffix  string
		mode, want    os.FileMode
		uid, wantUser int
	}{
		"own":                {"a", installedSuffix, 0o644, 0o640, 0, 0},
		"own and executable": {"a", installedSuffix, 0o777, 0o770, 0, 0},
		"another's":          {"a", installedSuffix, 0o644, 0o640, 1234, 0},
		"another's, failed":  {"fail", failedSuffix, 0o666, 0o660, 1234, 0},
		"another's, skipped": {"skip", skippedSuffix, 0o600, 0o600, 1234, 0},
		"redacted":           {"secret", installedSuffix, 0o664, 0o660, 1234, 0},
		"too large":          {strings.Repeat("x", 100), failedSuffix, 0o646, 0o646, 1234, 1234},
		"reason":             {"fail", reasonSuffix, 0o644, 0o640, 1234, 0},
	} {
		t.Run(name, func(t *testing.T) {
			td := newDropDir(t)
			td.cfg.MaxSize = 50
			td.Restart()
			td.Drop("x.yaml", tt.text)
			must(t, os.Chmod(filepath.Join(td.path, "x.yaml"), tt.mode))
			must(t, os.Chown(filepath.Join(td.path, "x.yaml"), tt.uid, tt.uid))
			td.Pass()
			fi, err := os.Stat(filepath.Join(td.path, "x.yaml"+tt.suffix))
			must(t, err)
			if fi.Mode().Perm() != tt.want || ownerOf(fi) != tt.wantUser {
				t.Errorf("mode %o of user %d, want %o of %d", fi.Mode().Perm(), ownerOf(fi), tt.want, tt.wantUser)
			}
			td.NoClaims()
		})
	}
}

func TestOrder(t *testing.T) {
	td := newDropDir(t)
	want := []string{"10.yaml", "9.json", "B.toml", "a-b.yaml", "a.yaml", "a/z.yml", "a0.yaml", "é.yaml"}
	for _, rel := range slices.Backward(want) {
		td.Drop(rel, rel)
	}
	td.Pass()
	td.Applied(want...)
}

// The bounds of a group do not show: order and count stay.
func TestMoreThanAGroup(t *testing.T) {
	td := newDropDir(t)
	var want []string
	for i := range 3*groupCount + 1 {
		rel := string(rune('a'+i/26/26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26)) + ".yaml"
		td.Drop(rel, rel)
		want = append(want, rel)
	}
	td.Pass()
	td.Applied(want...)
	td.NoClaims()
	items := []*item{{}, {}, {}}
	for _, it := range items {
		it.settling.last.info.size = groupBytes/2 + 1
	}
	if n := groupEnd(items); n != 1 {
		t.Errorf("a group of %d patches holds more than its bytes", n)
	}
}

// Invariant 6.
func TestLeftAlone(t *testing.T) {
	td := newDropDir(t)
	in := func(rel string) string { return filepath.Join(td.path, rel) }
	td.Drop("good.yaml", "a")
	td.Drop("linked.yaml", "b")
	must(t, os.Link(in("linked.yaml"), in("second.txt")))
	must(t, os.Symlink("good.yaml", in("link.yaml")))
	must(t, os.Symlink(td.path, in("loop")))
	mkfifo(t, in("fifo.yaml"))
	td.Drop(strings.Repeat("n", 196)+".yaml", "long")
	td.Drop("new\nline.yaml", "c")
	td.Drop("no-utf8-\xff.yaml", "d")
	td.Drop("\x01/x.yaml", "e")
	quiet := []string{
		".hidden.yaml", ".git/x.yaml", "x.yaml~", "x.yml.dpkg-new", "README.md", "yaml", "X.YAML",
		"x.yaml.installed", "x.yaml.failed.reason", "#x.yaml#",
	}
	for _, rel := range quiet {
		td.Drop(rel, "quiet")
	}
	td.Pass()
	td.After(time.Minute).Pass()
	td.Applied("a")
	td.Logged("left alone", 7)
	td.Logged(`"why":"it is not a regular file with one link"`, 3)
	td.Logged("quiet", 0)
	for _, rel := range append(quiet, "linked.yaml", "link.yaml", "fifo.yaml", "new\nline.yaml") {
		if _, err := os.Lstat(in(rel)); err != nil {
			t.Errorf("%q was touched: %v", rel, err)
		}
	}

	must(t, os.Remove(in("second.txt")))
	td.Pass()
	td.Applied("a", "b")
}

func TestLongestName(t *testing.T) {
	td := newDropDir(t)
	name := strings.Repeat("n", 195) + ".yaml"
	td.Drop("sub/"+name, "fail")
	td.Pass()
	td.Outcome("sub/"+name, failedSuffix, reasonSuffix)
}

func TestADirectoryWithAPatchsName(t *testing.T) {
	td := newDropDir(t)
	td.Drop("conf.yaml/x.yaml", "a")
	td.Drop("lock/x.yaml", "b")
	td.Pass()
	td.Applied("a", "b")
	td.NoClaims()
	td.Logged("left alone", 0)
}

func TestExcludedDirectory(t *testing.T) {
	td := newDropDir(t)
	td.cfg.Exclude = []string{filepath.Join(td.path, "sub/own"), "/elsewhere"}
	td.Restart()
	td.Drop("sub/own/deep/x.yaml", "theirs")
	td.Drop("sub/x.yaml", "ours")
	td.Pass()
	td.Applied("ours")
	td.Outcome("sub/own/deep/x.yaml", "")
	if td.dir.eligible("sub/own/deep/x.yaml") {
		t.Error("a hint would be taken in an excluded directory")
	}
}

// Invariant 2.
func TestSameNameDroppedWhileClaimed(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	td.ledger.before = func([]Patch) {
		td.ledger.before = nil
		td.Outcome("x.yaml")
		td.Drop("x.yaml", "b")
	}
	td.Pass()
	td.Outcome("x.yaml", "", installedSuffix)
	td.Pass()
	td.Applied("a", "b")
	td.Outcome("x.yaml", installedSuffix)
}

func TestSubdirectoryGoneWhileClaimed(t *testing.T) {
	td := newDropDir(t)
	td.Drop("sub/x.yaml", "a")
	td.ledger.before = func([]Patch) {
		td.ledger.before = nil
		must(t, os.Remove(filepath.Join(td.path, "sub")))
	}
	td.Pass()
	td.After(time.Minute).Pass()
	td.Applied("a")
	td.NoClaims()
}

// It is made again as open as another new one there would be, under whatever
// umask the daemon runs.
func TestSubdirectoryMadeAgain(t *testing.T) {
	td := newDropDir(t)
	must(t, os.Chmod(td.path, 0o755|os.ModeSetgid))
	defer unix.Umask(unix.Umask(0o022))
	must(t, os.Mkdir(filepath.Join(td.path, "like this"), 0o755))
	want, err := statPath(filepath.Join(td.path, "like this"))
	must(t, err)
	td.Drop("sub/deep/x.yaml", "a")
	td.ledger.before = func([]Patch) {
		td.ledger.before = nil
		must(t, os.RemoveAll(filepath.Join(td.path, "sub")))
	}
	unix.Umask(0o077)
	td.Pass()
	td.After(time.Minute).Pass()
	td.Outcome("sub/deep/x.yaml", installedSuffix)
	for _, rel := range []string{"sub", "sub/deep"} {
		st, err := statPath(filepath.Join(td.path, rel))
		must(t, err)
		if st.mode != want.mode {
			t.Errorf("%s has the mode %o, want %o", rel, st.mode, want.mode)
		}
	}
}

// What somebody else makes at the last moment keeps its mode.
func TestSubdirectoryOfSomebodyElse(t *testing.T) {
	td := newDropDir(t)
	td.Pass()
	tree, theirs := td.dir.tree, filepath.Join(td.path, "sub/theirs")
	tree.sync = func(f *folder) error { // before "theirs" is made, and after it was missing
		if f == tree.root {
			must(t, os.Mkdir(theirs, 0o700))
		}
		return nil
	}
	if _, err := tree.make("sub/theirs", newFolderMode); err != nil {
		t.Fatal(err)
	}
	if st, err := statPath(theirs); err != nil || st.mode != 0o700 {
		t.Errorf("it has the mode %o (%v), want that of its maker", st.mode, err)
	}
}
