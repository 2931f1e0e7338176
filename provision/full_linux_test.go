package provision

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/store"
)

// A full disk is no fault of the manifest: the patch waits, says why, and is
// applied when there is room. Whatever writes elsewhere does not wait for it.
func TestWriteToAFullDisk(t *testing.T) {
	w := newWriting(t)
	full := w.path("out/sub")
	if err := unix.Mount("tmpfs", full, "tmpfs", 0, "size=4k,mode=0700"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("a file system to fill up needs the right to mount one: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(full, unix.MNT_DETACH) })
	w.write("out/sub/filler", strings.Repeat("x", 4096))
	p := patch(100, w.fill(createsInto("a", "out/sub/a")))
	results, err := w.Apply(t.Context(), []Patch{patch(99, creates("b")), p, patch(101, creates("c"))})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Outcome != store.Installed || results[2].Outcome != store.Installed {
		t.Errorf("what is before it, and what is behind it: %+v", results)
	}
	if r := results[1]; r.Outcome != 0 || !r.Undelivered || len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "no space left") || strings.Contains(r.Reasons[0], w.root) {
		t.Errorf("%+v", r)
	}
	if left := w.leftovers(); len(left) > 0 || w.generation("a") != 0 {
		t.Errorf("left %q", left)
	}
	if err := os.Remove(w.path("out/sub/filler")); err != nil {
		t.Fatal(err)
	}
	if got := w.outcomes(p); got != "installed" {
		t.Error(got)
	}
	w.holds("out/sub/a", "a")
}
