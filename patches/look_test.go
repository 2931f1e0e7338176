//go:build unix

package patches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Whoever looks is told what a whole pass after the question has come to.
func TestLook(t *testing.T) {
	r := prepared(t, t.TempDir())
	r.drop("a.yaml", "a")
	r.drop("b.yaml", "fail")
	w, err := os.OpenFile(filepath.Join(r.path, "c.yaml"), os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	defer w.Close()
	go r.startLookedAt() // or some of it would have its outcome before
	done, s, err := r.dir.Look(t.Context(), func(s Status) bool {
		return len(s.Waiting) == 1 && s.Waiting[0].Reason != Settling
	})
	must(t, err)
	if got, want := fmt.Sprint(outcomesOf(done)), "map[a.yaml:3 b.yaml:4]"; got != want {
		t.Errorf("outcomes %s, want %s", got, want)
	}
	if len(s.Waiting) != 1 || s.Waiting[0].Path != "c.yaml" {
		t.Errorf("waiting: %+v", s.Waiting)
	}
	_, err = w.WriteString("c")
	must(t, errors.Join(err, w.Close()))
	done, _, err = r.dir.Look(t.Context(), func(s Status) bool { return len(s.Waiting) == 0 })
	if len(done) != 1 || done[0].Path != "c.yaml" || err != nil {
		t.Errorf("then %+v, %v", done, err)
	}
}

func outcomesOf(done []Done) map[string]Outcome {
	m := map[string]Outcome{}
	for _, d := range done {
		m[d.Path] = d.Outcome
	}
	return m
}

// Nobody waits for ever.
func TestLookEnds(t *testing.T) {
	r := run(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	never := func(Status) bool { cancel(); return false }
	if _, _, err := r.dir.Look(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("a look whose context ends: %v", err)
	}
	d := New(Config{Name: "x", Path: t.TempDir()}, r, r.dir.log)
	ended, stop := context.WithCancel(t.Context())
	stop()
	must(t, d.Run(ended))
	if _, _, err := d.Look(t.Context(), never); !errors.Is(err, ErrOver) {
		t.Errorf("a look at a directory that has ended: %v", err)
	}
	if len(r.dir.onlookers)+len(d.onlookers) > 0 {
		t.Error("who has left is told still")
	}
}

// failedTree is a directory with two failed patches, and others that look so.
func failedTree(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"b.yaml.failed": "b", "b.yaml.failed.reason": "one\ntwo\n", "sub/a.yaml.failed": "a",
		".x.yaml.failed": "", "x.txt.failed": "", "c.yaml": "", ".tokendrop/y.yaml.failed": "", "other/z.yaml.failed": "",
	} {
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700))
		must(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	must(t, os.Symlink("b.yaml.failed", filepath.Join(root, "link.yaml.failed")))
	must(t, os.Mkdir(filepath.Join(root, "dir.yaml.failed"), 0o700))
	return root
}

func TestFailedFiles(t *testing.T) {
	root := failedTree(t)
	for most, want := range map[int]string{0: "", 1: "b.yaml [one two]", 9: "b.yaml [one two]sub/a.yaml []"} {
		list, count, err := FailedFiles(t.Context(), root, []string{filepath.Join(root, "other")}, most)
		got := ""
		for _, f := range list {
			got += fmt.Sprint(f.Path, " ", f.Reasons)
		}
		if got != want || count != 2 || err != nil {
			t.Errorf("at most %d: %s of %d, %v; want %s", most, got, count, err, want)
		}
	}
	if _, _, err := FailedFiles(t.Context(), filepath.Join(root, "absent"), nil, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent directory: %v", err)
	}
}

func TestRetry(t *testing.T) {
	root := failedTree(t)
	must(t, os.WriteFile(filepath.Join(root, "b.yaml.sig.failed"), nil, 0o600))
	for _, step := range []struct {
		path string
		want error
	}{
		{"b.yaml", nil},
		{"b.yaml", ErrNoFailure},
		{"sub/a.yaml", nil},
		{"link.yaml", ErrNoFailure},
		{"dir.yaml", ErrNoFailure},
		{"../" + filepath.Base(root) + "/c.yaml", ErrNoFailure},
		{"x.txt", ErrNoFailure},
	} {
		if err := Retry(root, step.path); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.path, err, step.want)
		}
	}
	for name, want := range map[string]bool{
		"b.yaml": true, "b.yaml.sig": true, "sub/a.yaml": true,
		"b.yaml.failed": false, "b.yaml.failed.reason": false, "b.yaml.sig.failed": false, "sub/a.yaml.failed": false,
	} {
		if _, err := os.Lstat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s is there: %v", name, err == nil)
		}
	}
	must(t, os.WriteFile(filepath.Join(root, "b.yaml.failed"), []byte("older"), 0o600))
	if err := Retry(root, "b.yaml"); !errors.Is(err, ErrNewer) {
		t.Errorf("over a newer file: %v", err)
	}
}

// A patch that is retried is applied, and leaves nothing of its failure.
func TestRetryIsApplied(t *testing.T) {
	td := newDropDir(t)
	td.Drop("a.yaml", "fail")
	td.Pass()
	td.Outcome("a.yaml", ".failed", ".failed.reason")
	must(t, os.WriteFile(filepath.Join(td.path, "a.yaml.failed"), []byte("good now"), 0o600))
	must(t, Retry(td.path, "a.yaml"))
	td.Pass()
	td.Outcome("a.yaml", ".installed")
}
