package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the daemon cannot read is waited for, for ever: it holds neither the
// start nor others, is never marked, and is applied when somebody who may has
// changed its mode or its owner.
func TestUnreadable(t *testing.T) {
	requireRoot(t)
	w := newWorkshop(t, `settle = "1s"`)
	w.runAs(&credential{Uid: nobody, Gid: nobody})
	w.configure(strings.Replace(w.read("../tokendrop.toml"), "[verify]", "[verify]\nstart_wait = '1h'", 1))
	mended := map[string]func(path string) error{
		"mode.yaml":  func(path string) error { return os.Chmod(path, 0o644) },
		"owner.yaml": func(path string) error { return os.Chown(path, nobody, -1) },
		"group.yaml": func(path string) error {
			return cmp.Or(os.Chown(path, -1, nobody), os.Chmod(path, 0o640))
		},
	}
	for name := range mended {
		w.prepare(name)
		w.putUnreadable(name)
	}
	w.start()
	w.prepare("later.yaml")
	w.putUnreadable("later.yaml")
	mended["later.yaml"] = mended["mode.yaml"]
	w.prepare("zz.yaml")
	w.putReadable("zz.yaml") // after all of them in order
	if got := w.outcome("zz.yaml"); got != "installed" {
		t.Fatalf("zz.yaml: %s", got)
	}
	for name := range mended {
		w.awaitLog(`"path":"` + name + `","error":"permission denied","why":"cannot be read by the daemon"`)
		if !w.exists(name) || w.exists(name+".failed") {
			t.Errorf("%s is not where it was", name)
		}
	}
	want := []string{".tokendrop", "zz.yaml.installed"}
	for name, mend := range mended {
		if err := mend(filepath.Join(w.drop, name)); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(name); got != "installed" {
			t.Errorf("%s: %s", name, got)
		}
		want = append(want, name+".installed")
	}
	w.expectTokens()
	w.expectListing(want)
}

// Files that end as the daemon's own are root's at first, which the daemon
// cannot read.
func TestWritersForAnotherUser(t *testing.T) {
	writers := []writer{ansibleWriter, cloudInitWriter, puppetWriter, plainWriters[slices.IndexFunc(plainWriters, isInstall)]}
	requireWriters(t, writers)
	t.Parallel()
	w := newWorkshop(t)
	w.runAs(&credential{Uid: nobody, Gid: nobody})
	w.start()
	want := []string{".tokendrop"}
	for _, wr := range writers {
		for _, name := range wr.names() {
			w.prepare(name)
			want = append(want, name+".installed")
		}
		wr.script = "umask 077\n" + strings.NewReplacer("owner: root,", "owner: nobody,", "root:root", "nobody:nogroup",
			"owner => 'root'", "owner => 'nobody'", "-o root", "-o nobody", "0640", "0600").Replace(wr.script)
		if out, err := w.write(&wr); err != nil && !wr.late {
			t.Errorf("%s: %v\n%s", wr.name, err, out)
		}
	}
	for _, name := range want[1:] {
		if name = strings.TrimSuffix(name, ".installed"); w.outcome(name) != "installed" {
			t.Errorf("%s: %s", name, w.read(name+".failed.reason"))
		}
	}
	w.expectTokens()
	w.expectListing(want)
}

func isInstall(wr writer) bool { return wr.name == "install" }

// putUnreadable moves what was prepared into the drop directory, as root's.
func (w *workshop) putUnreadable(name string) {
	w.t.Helper()
	if err := os.Rename(filepath.Join(w.spare, name), filepath.Join(w.drop, name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) putReadable(name string) {
	w.t.Helper()
	if err := os.Chmod(filepath.Join(w.spare, name), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.putUnreadable(name)
}

// awaitLog waits until the daemon has logged something.
func (m *machine) awaitLog(text string) {
	m.t.Helper()
	m.await(func() bool { return strings.Contains(m.log.String(), text) }, "the daemon does not log "+text)
}
