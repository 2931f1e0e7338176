//go:build unix

package badgerstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// Badger changes options while it opens. What durability hangs on must not be
// among them.
func TestOptionsInForce(t *testing.T) {
	s := mustOpen(t, testOptions(t.TempDir()+"/store"), defaultHooks(testOptions(t.TempDir())))
	got := s.disk.db.Opts()
	if !got.SyncWrites || got.InMemory || got.ReadOnly {
		t.Errorf("SyncWrites %v, InMemory %v, ReadOnly %v", got.SyncWrites, got.InMemory, got.ReadOnly)
	}
	if got.ValueThreshold != valueBound || got.MemTableSize != memTableSize {
		t.Errorf("ValueThreshold %d, MemTableSize %d", got.ValueThreshold, got.MemTableSize)
	}
	if int64(partSize) >= s.disk.db.MaxBatchSize() || valueBound >= s.disk.db.MaxBatchSize() {
		t.Errorf("a row may not fit into a transaction of %d bytes", s.disk.db.MaxBatchSize())
	}
}

// Invariant 2.
func TestLocked(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	_, err := Open(t.Context(), o)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), o.Path) {
		t.Errorf("a second Open = %v, want ErrLocked and the path", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, o, defaultHooks(o))
}

func TestFormat(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	commitUntil(t, s, 3)
	later := meta{format: store.Format + 1}.encode()
	if err := s.disk.transact([]row{{[]byte{metaKind}, append(later, "of a form that is not known"...)}}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrFormat) {
		t.Errorf("Open = %v, want ErrFormat", err)
	}
}

func TestOpenCancelled(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	commitUntil(t, mustOpen(t, o, defaultHooks(o)), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o = testOptions(t.TempDir() + "/store")
	if _, err := Open(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v with a cancelled context", err)
	}
	mustOpen(t, o, defaultHooks(o)) // nothing holds the lock
}

// Rows that are lost, or not what they were, are found when the store is
// opened or the ledger is read.
func TestDamagedRows(t *testing.T) {
	zero := store.Name{User: "u", Name: "0"}
	for name, tt := range map[string]struct {
		damage row
		ledger bool // Open cannot see it
	}{
		"token lost":        {damage: row{key: tokenKey(zero)}},
		"token cut":         {damage: row{tokenKey(zero), []byte{1}}},
		"token's key":       {damage: row{[]byte{tokenKind, 200}, []byte{1}}},
		"token too many":    {damage: row{tokenKey(store.Name{User: "x"}), store.AppendRecord(nil, &numbered(1).Put[0])}},
		"meta lost":         {damage: row{key: []byte{metaKind}}},
		"meta cut":          {damage: row{[]byte{metaKind}, []byte{store.Format}}},
		"meta longer":       {damage: row{[]byte{metaKind}, append(meta{store.Format, serial.Count{Tokens: 4, Marks: 4, Revision: 3}}.encode(), 0)}},
		"mark lost":         {damage: row{key: markKey(once(2))}},
		"mark cut":          {damage: row{markKey(once(2)), []byte{1}}},
		"mark of no kind":   {damage: row{[]byte{markKind, 200, 'x'}, store.AppendMark(nil, &store.Mark{Revision: 1})}},
		"mark's key":        {damage: row{[]byte{markKind}, store.AppendMark(nil, &store.Mark{Revision: 1})}},
		"mark too many":     {damage: row{markKey(once(9)), store.AppendMark(nil, &store.Mark{Revision: 1})}},
		"staged row":        {damage: row{commitKey, []byte{stagedPut}}},
		"entry lost":        {damage: row{key: entryKey(patchOf(2))}, ledger: true},
		"entry cut":         {damage: row{entryKey(patchOf(2)), []byte{0}}, ledger: true},
		"entry changed":     {damage: appendEntryRows(nil, &store.Entry{Patch: patchOf(2), ID: 2, Outcome: store.Failed})[0], ledger: true},
		"entry's part lost": {damage: row{entryKey(patchOf(2)), []byte{1, 8, 2}}, ledger: true},
		"last entry lost":   {damage: row{key: entryKey(patchOf(3))}, ledger: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t.TempDir() + "/store")
			s := mustOpen(t, o, defaultHooks(o))
			commitUntil(t, s, 4)
			rows := []row{tt.damage}
			if name == "staged row" {
				rows = append(rows, row{[]byte{stagedKind, tokenKind}, []byte{9}})
			}
			if err := s.disk.transact(rows); err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			s, err := Open(t.Context(), o)
			if tt.ledger && err == nil {
				for _, err = range s.Ledger(t.Context()) {
				}
				_ = s.Close()
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("the error is %v, want ErrDamaged", err)
			}
		})
	}
}

// A bit that has changed in a table, and files that are gone.
func TestDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"table": func(t *testing.T, path string) { flip(t, path, "*.sst") },
		"table lost": func(t *testing.T, path string) {
			if err := os.Remove(find(t, path, "*.sst")); err != nil {
				t.Fatal(err)
			}
		},
		"manifest": func(t *testing.T, path string) { flip(t, path, "MANIFEST") },
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t.TempDir() + "/store")
			s := mustOpen(t, o, smallHooks(o))
			commitUntil(t, s, 10)
			_ = s.Close()
			damage(t, o.Path)
			if _, err := open(t.Context(), o, smallHooks(o)); !errors.Is(err, ErrDamaged) {
				t.Errorf("Open = %v, want ErrDamaged", err)
			}
			if err := errors.Join(os.RemoveAll(o.Path), os.Remove(anchorPath(o.Path))); err != nil {
				t.Fatal(err)
			}
			mustOpen(t, o, smallHooks(o)) // nothing holds the lock
		})
	}
}

func find(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return names[0]
}

func flip(t *testing.T, dir, pattern string) {
	t.Helper()
	name := find(t, dir, pattern)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 0x10
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Invariant 1.
func TestDirectory(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	for name, prepare := range map[string]func(path string) error{
		"absent":       func(string) error { return nil },
		"deep":         func(path string) error { return os.Mkdir(filepath.Dir(path), 0o755) },
		"wide":         func(path string) error { return os.Mkdir(path, 0o777) },
		"narrow umask": func(string) error { syscall.Umask(0o177); return nil },
		"half made": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(path+"/MANIFEST-REWRITE", nil, 0o600))
		},
	} {
		path := filepath.Join(dir, name)
		if name == "deep" {
			path = filepath.Join(path, "store")
		}
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), testOptions(path))
		syscall.Umask(0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: the directory is %v, %v", name, info.Mode(), err)
		}
		_ = s.Close()
	}
}

// What is not a store is left alone.
func TestForeign(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(path+"/notes", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), testOptions(path)); !errors.Is(err, ErrForeign) {
		t.Errorf("Open = %v, want ErrForeign", err)
	}
	info, err := os.Stat(path)
	files, _ := os.ReadDir(path)
	if err != nil || info.Mode().Perm() != 0o755 || len(files) != 1 {
		t.Errorf("the directory was changed: %v, %v, %v", info, files, err)
	}
	if _, err := Open(t.Context(), testOptions(path+"/notes")); err == nil {
		t.Error("a file was opened as a store")
	}
	if os.Getuid() != 0 { // root may write everywhere
		if _, err := Open(t.Context(), testOptions("/usr/tokendrop-test")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open = %v where nothing may be written", err)
		}
	}
}

// Where there is an anchor beside it, it was one.
func TestNoManifest(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	committed(t, o, creates(1))
	if err := os.Remove(o.Path + "/MANIFEST"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open = %v, want ErrDamaged", err)
	}
	if err := os.Remove(anchorPath(o.Path)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrForeign) {
		t.Errorf("Open = %v without an anchor, want ErrForeign", err)
	}
}

// Invariant 5: a value that would go to the value log is refused.
func TestLongValue(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	b := numbered(1)
	b.Put[0].Description = strings.Repeat("d", valueBound)
	if err := s.Commit(t.Context(), b); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Commit = %v, want ErrTooLarge", err)
	}
	b.Put[0].Description = strings.Repeat("d", valueBound-200)
	if err := s.Commit(t.Context(), b); err != nil {
		t.Errorf("Commit = %v just below the bound", err)
	}
	if _, size := s.disk.db.Size(); size > 4<<20 {
		t.Errorf("the value log has %d bytes", size)
	}
}

func FuzzRows(f *testing.F) {
	f.Add("user", "name", []byte{1, 2})
	f.Add("", "", []byte{})
	f.Add("a\x00", "\xff", meta{store.Format, serial.Count{Tokens: 7, Revision: 300}}.encode())
	f.Fuzz(func(t *testing.T, user, name string, value []byte) {
		n := store.Name{User: user, Name: name}
		if got, err := decodeTokenKey(tokenKey(n)); err != nil || got != n {
			t.Errorf("token %q comes back as %q, %v", n, got, err)
		}
		id := store.OnceID(user, name)
		if got, err := decodeMarkKey(markKey(id)); err != nil || got != id {
			t.Errorf("mark %q comes back as %q, %v", id, got, err)
		}
		if m, err := decodeMeta(value); err == nil && m.format != store.Format {
			t.Errorf("format %d is accepted", m.format)
		}
		if len(value) > 0 {
			_, _ = decodeTokenKey(value)
			_, _ = decodeMarkKey(value)
		}
		_, _ = entryID(value)
		for _, r := range []row{{[]byte("k"), value}, {key: []byte(user + "k")}} {
			got, err := decodeStaged(r.staged())
			if err != nil || string(got.key) != string(r.key) || string(got.value) != string(r.value) {
				t.Errorf("row %q comes back as %q, %v", r, got, err)
			}
		}
	})
}
