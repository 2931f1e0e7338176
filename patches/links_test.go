//go:build unix

package patches

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (td *keepDir) Link(target, rel string) {
	td.Helper()
	must(td.T, os.MkdirAll(filepath.Dir(filepath.Join(td.path, rel)), 0o755))
	must(td.T, os.Symlink(target, filepath.Join(td.path, rel)))
}

// Invariant 6, in keep mode: links are followed inside the directory.
func TestLinks(t *testing.T) {
	for name, tt := range map[string]struct {
		target, want string
		why          string // it is left alone
	}{
		"to a file":               {"real.yaml", "real", ""},
		"to another name":         {"data/plain.txt", "plain", ""},
		"to a hidden one":         {".store/x", "hidden", ""},
		"through a directory":     {"./data//deep/../plain.txt", "plain", ""},
		"through a link":          {"chain", "plain", ""},
		"through a linked folder": {"folder/plain.txt", "plain", ""},
		"out of it":               {"../outside.yaml", "", "leads out"},
		"out and back":            {"../drop/real.yaml", "", "leads out"},
		"out below":               {"data/deep/../../../outside.yaml", "", "leads out"},
		"through an escape":       {"escape/outside.yaml", "", "leads out"},
		"absolute":                {"/etc/hostname", "", "leads out"},
		"absolute, inside":        {"DIR/data/plain.txt", "plain", ""},
		"absolute, through it":    {"DIR/../outside.yaml", "", "leads out"},
		"dangling":                {"nothing.yaml", "", "to nothing"},
		"below a file":            {"real.yaml/x.yaml", "", "to nothing"},
		"a loop":                  {"x.yaml", "", "too many others"},
		"a longer loop":           {"loop", "", "too many others"},
		"to a directory":          {"data", "", "to a directory"},
		"to the directory":        {".", "", "to a directory"},
		"to a FIFO":               {"fifo", "", "regular file with one link"},
		"to a hard link":          {"hard", "", "regular file with one link"},
		"to another drop":         {"own/y.yaml", "", "another drop directory"},
		"where others may write":  {"open/z.txt", "", "run chmod o-w"},
		"a link that others made": {"open/link", "", "run chmod o-w"},
	} {
		t.Run(name, func(t *testing.T) {
			td := newKeepDir(t)
			td.cfg.Exclude = []string{filepath.Join(td.path, "own")}
			td.Restart()
			must(t, os.WriteFile(filepath.Join(td.path, "../outside.yaml"), []byte("outside"), 0o644))
			for rel, text := range map[string]string{
				"data/plain.txt": "plain", "data/deep/x": "", ".store/x": "hidden", "hard": "hard", "own/y.yaml": "own",
				"open/z.txt": "open", "real.yaml": "real",
			} {
				td.Drop(rel, text)
			}
			must(t, os.Link(filepath.Join(td.path, "hard"), filepath.Join(td.path, "harder")))
			mkfifo(t, filepath.Join(td.path, "fifo"))
			for rel, target := range map[string]string{
				"chain": "data/chain", "data/chain": "plain.txt", "folder": "data", "escape": "..", "loop": "loop2", "loop2": "loop",
				"open/link": "../real.yaml",
			} {
				td.Link(target, rel)
			}
			must(t, os.Chmod(filepath.Join(td.path, "open"), 0o777))
			td.Link(strings.ReplaceAll(tt.target, "DIR", td.path), "x.yaml")
			td.Pass()
			if tt.want == "" {
				td.HandedOver("real.yaml")
				td.Logged(`"path":"\"x.yaml\""`, 1)
				td.Logged(tt.why, 1+strings.Count(tt.why, "run")) // of the directory itself too
				return
			}
			td.HandedOver("real.yaml", "x.yaml")
			if got := string(td.ledger.handed[1].Data); got != tt.want {
				t.Errorf("it holds %q, want %q", got, tt.want)
			}
		})
	}
}

// What is behind a link changes, and so does the link.
func TestLinksChange(t *testing.T) {
	td := newKeepDir(t)
	td.Drop("one.txt", "one")
	td.Drop("two.txt", "two")
	td.Link("one.txt", "x.yaml")
	td.Pass()
	td.HandedOver("x.yaml")
	td.Swept(whole("x.yaml"))
	td.Drop("one.txt", "three")
	td.Pass()
	td.HandedOver("x.yaml")
	must(t, os.Remove(filepath.Join(td.path, "x.yaml")))
	td.Link("two.txt", "x.yaml")
	td.Pass()
	td.HandedOver("x.yaml")
	must(t, os.Remove(filepath.Join(td.path, "two.txt"))) // a mistake, rather than an end
	td.Pass()
	td.Swept(partly("x.yaml"))
	must(t, os.Remove(filepath.Join(td.path, "x.yaml")))
	td.Drop("y.yaml", "y")
	td.Pass()
	td.SweptLater(whole("y.yaml"))
	td.Applied("one", "three", "two", "y")
}

// A companion is what lies beside the link, and may be one itself.
func TestLinkedCompanion(t *testing.T) {
	td := newKeepDir(t)
	td.cfg.Companions, td.cfg.CompanionWait = true, time.Minute
	td.Restart()
	td.Drop("data/real", "a")
	td.Drop("data/signature", "signed")
	td.Drop("data/real.sig", "another's")
	td.Link("data/real", "x.yaml")
	td.Pass()
	td.Waits("x.yaml", Unsigned)
	td.Link("data/signature", "x.yaml.sig")
	td.Pass()
	td.HandedOver("x.yaml")
	if got := string(td.ledger.handed[0].Companion); got != "signed" {
		t.Errorf("its companion is %q", got)
	}
}
