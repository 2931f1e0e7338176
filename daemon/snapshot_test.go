package daemon

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/dump"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

func TestPace(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(after time.Duration) time.Time { return start.Add(after) }
	none := time.Time{}
	for what, tt := range map[string]struct {
		pace pace
		want time.Time
	}{
		"nothing":                  {pace{made: start}, none},
		"a change":                 {pace{changed: start}, at(snapshotAfter)},
		"a change shortly after":   {pace{changed: at(time.Second), made: start}, at(snapshotEvery)},
		"a change long after":      {pace{changed: at(time.Hour), made: start}, at(time.Hour + snapshotAfter)},
		"a right taken":            {pace{changed: start, restricted: at(time.Second), made: start}, at(time.Second + snapshotSoon)},
		"rights taken all along":   {pace{changed: start, restricted: at(time.Second), made: start, took: 5 * time.Second}, at(50 * time.Second)},
		"rights taken for ever":    {pace{changed: start, restricted: start, made: start, took: time.Hour}, at(snapshotEvery)},
		"a right taken after long": {pace{changed: at(-time.Hour), restricted: start, made: at(-time.Hour)}, at(-time.Hour + snapshotEvery)},
	} {
		got, ok := tt.pace.due()
		if !got.Equal(tt.want) || ok != !tt.want.IsZero() {
			t.Errorf("%s: due at %v, %v, want %v", what, got, ok, tt.want)
		}
	}
}

// onDisk is a store on disk with one token, and the snapshots of it.
func onDisk(t *testing.T) (store.Store, *snapshots) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	st, err := openStore(t.Context(), config.Store{Path: path}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	rec := store.Record{
		Name: store.Name{User: "u", Name: "n"}, Type: store.FullAccess, Active: true, Generation: 1,
		Credentials: []store.Credential{{Key: token.Key{1}, Number: 1}},
	}
	commit(t, st, store.Batch{Expect: map[store.Name]store.Revision{rec.Name: 0}, Put: []store.Record{rec}}, 1)
	return st, newSnapshots(st, path, zerolog.Nop())
}

func commit(t *testing.T, st store.Store, b store.Batch, patch byte) {
	t.Helper()
	b.Entries = []store.Entry{{Patch: store.PatchID{patch}, Time: time.UnixMilli(1), Outcome: store.Installed}}
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// A snapshot is a whole backup, for the daemon's user only, and is known to be of
// no use once a right was taken away.
func TestSnapshot(t *testing.T) {
	st, s := onDisk(t)
	if s.current() || s.usable() {
		t.Error("there is a snapshot already")
	}
	if err := s.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.current() || !s.usable() {
		t.Error("the snapshot is not what it should be")
	}
	info, err := os.Stat(SnapshotPath(s.path))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the snapshot has mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(SnapshotPath(s.path))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dump.Check(bytes.NewReader(data)); err != nil || got.Head != st.Head() || got.Records != 1 {
		t.Errorf("the snapshot is %+v, %v", got, err)
	}
	once := store.OnceID("d", "n")
	commit(t, st, store.Batch{ExpectMarks: map[store.MarkID]store.Revision{once: 0}, Marks: []store.Mark{{MarkID: once}}}, 2)
	if s.current() || !s.usable() {
		t.Error("after a change that takes nothing away the snapshot can still be used")
	}
	rec, _ := st.ByKey(token.Key{1})
	commit(t, st, store.Batch{Expect: map[store.Name]store.Revision{rec.Name: rec.Revision}, Delete: []store.Name{rec.Name}}, 3)
	if s.usable() {
		t.Error("after a token is deleted the snapshot that has it can still be used")
	}
	s.note(time.Now())
	if s.pace.restricted.IsZero() {
		t.Error("it is not made anew soon")
	}
	s.flush(t.Context())
	if !s.current() || !s.usable() {
		t.Error("none was made when the daemon stopped")
	}
}

// What a killed process has left of a snapshot goes, and nothing else does.
func TestSnapshotParts(t *testing.T) {
	_, s := onDisk(t)
	part, other := filepath.Join(filepath.Dir(s.path), ".store.snapshot123"), filepath.Join(filepath.Dir(s.path), ".other")
	for _, path := range []string{part, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.removeParts()
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the part is there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// A snapshot that the store is behind of, or that is another one's, is not replaced:
// it may be all that is left.
func TestSnapshotAhead(t *testing.T) {
	_, ahead := onDisk(t)
	if err := ahead.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(SnapshotPath(ahead.path))
	if err != nil {
		t.Fatal(err)
	}
	for what, patches := range map[string][]byte{"an empty store": nil, "another store": {7}} {
		t.Run(what, func(t *testing.T) {
			st, err := memstore.Open(nil, memstore.Faults{})
			if err != nil {
				t.Fatal(err)
			}
			for _, patch := range patches {
				commit(t, st, store.Batch{}, patch)
			}
			var log bytes.Buffer
			s := newSnapshots(st, filepath.Join(t.TempDir(), "store"), zerolog.New(&log))
			path := SnapshotPath(s.path)
			taken := []byte("somebody's")
			if err := errors.Join(os.Mkdir(s.path, 0o700), os.WriteFile(path, kept, 0o600), os.WriteFile(path+".1", taken, 0o600)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time there is no need
				if err := s.write(t.Context()); err != nil || !s.current() {
					t.Fatalf("the snapshot is not the store's: %v", err)
				}
			}
			for at, want := range map[string][]byte{path + ".1": taken, path + ".2": kept} {
				if got, err := os.ReadFile(at); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s has %d bytes, %v", at, len(got), err)
				}
			}
			if files, _ := filepath.Glob(path + "*"); len(files) != 3 {
				t.Errorf("there are %q", files)
			}
			if n := bytes.Count(log.Bytes(), []byte(path+".2")); n != 1 {
				t.Errorf("the log names it %d times: %s", n, &log)
			}
		})
	}
}

// One that the store has gone on from is.
func TestSnapshotBehind(t *testing.T) {
	st, s := onDisk(t)
	for patch := range byte(2) {
		if err := s.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		commit(t, st, store.Batch{}, 2+patch)
	}
	if files, _ := filepath.Glob(SnapshotPath(s.path) + "*"); len(files) != 1 {
		t.Errorf("there are %q", files)
	}
}

// No snapshot takes the space that commits need, and the old one stays.
func TestSnapshotSparing(t *testing.T) {
	var out bytes.Buffer
	spare := uint64(spaceEvery + 200)
	w := &sparing{to: &out, spare: func() (uint64, error) { return spare, nil }}
	if _, err := w.Write(make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	spare = 0
	if _, err := w.Write(make([]byte, spaceEvery-200)); err != nil {
		t.Errorf("the space is asked for at every write: %v", err)
	}
	if _, err := w.Write(make([]byte, spaceEvery)); !errors.Is(err, errNoSpace) {
		t.Errorf("Write = %v on a disk that is full", err)
	}
}

// Changes are gathered, and a store whose snapshot cannot be made is tried again.
func TestSnapshotsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := memstore.Open(nil, memstore.Faults{})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s := newSnapshots(st, filepath.Join(t.TempDir(), "absent", "store"), zerolog.New(&log))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.run(ctx) }()
		<-time.After(snapshotAfter + snapshotEvery + time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := bytes.Count(log.Bytes(), []byte("an older one")); n != 1 {
			t.Errorf("the log is told %d times: %s", n, &log)
		}
	})
}

// One that could not be made is made soon once it can be, also if nothing changes.
func TestSnapshotAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := memstore.Open(nil, memstore.Faults{})
		if err != nil {
			t.Fatal(err)
		}
		s := newSnapshots(st, filepath.Join(t.TempDir(), "later", "store"), zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.run(ctx) }()
		<-time.After(snapshotSoon + time.Second)
		if err := os.MkdirAll(s.path, 0o700); err != nil {
			t.Fatal(err)
		}
		<-time.After(snapshotAfter)
		cancel()
		if err := <-done; err != nil || !s.current() {
			t.Errorf("there is none after a minute: %v", err)
		}
	})
}
