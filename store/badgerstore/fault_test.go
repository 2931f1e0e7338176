//go:build unix

package badgerstore

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

func mustOpen(t *testing.T, o Options, h hooks) *Store {
	t.Helper()
	s, err := open(t.Context(), o, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Invariant 4, and 8 of package store: a write to Badger fails, with what it
// wrote lost or kept, at every step of a commit in one transaction and of a
// staged one. The fourth batch would be plain, the sixth staged.
func TestFaults(t *testing.T) {
	for number, steps := range map[uint64]int{4: 1, 6: 5} {
		for fault := 1; fault <= 2*steps; fault++ {
			// The commit is the only write, or the second.
			committed := fault > 1
			if steps > 1 {
				committed = fault > 3
			}
			testFault(t, number, fault, committed)
		}
		if n := countFaults(t, number); n != 2*steps {
			t.Errorf("batch %d has %d places for a fault, want %d", number, n, 2*steps)
		}
	}
}

func testFault(t *testing.T, number uint64, fault int, committed bool) {
	o := testOptions(t.TempDir() + "/store")
	errDisk := errors.New("the disk says no")
	left := -1
	h := smallHooks(o)
	h.fault = func() error {
		if left--; left == 0 {
			return errDisk
		}
		return nil
	}
	s := mustOpen(t, o, h)
	commitUntil(t, s, number)
	left = fault
	if err := s.Commit(t.Context(), numbered(number)); !errors.Is(err, store.ErrUnknown) || !errors.Is(err, errDisk) {
		t.Errorf("fault %d: Commit = %v, want ErrUnknown", fault, err)
	}
	if r, _ := s.ByName(store.Name{User: "u", Name: "0"}); r.Generation != number-1 {
		t.Errorf("fault %d: a reader sees batch %d", fault, r.Generation)
	}
	if err := s.Commit(t.Context(), numbered(number)); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("fault %d: the next Commit = %v, want ErrUnknown", fault, err)
	}
	if _, _, err := s.Entry(t.Context(), patchOf(1)); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("fault %d: Entry = %v, want ErrUnknown", fault, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("fault %d: Close = %v", fault, err)
	}
	want := number - 1
	if committed {
		want = number
	}
	again := mustOpen(t, o, smallHooks(o))
	if last := checkNumbered(t, again); last != want {
		t.Errorf("fault %d: reopened at batch %d, want %d", fault, last, want)
	}
	if err := again.Commit(t.Context(), numbered(want+1)); err != nil {
		t.Errorf("fault %d: Commit = %v after reopening", fault, err)
	}
}

func commitUntil(t *testing.T, s *Store, number uint64) {
	t.Helper()
	for n := s.last() + 1; n < number; n++ {
		if err := s.Commit(t.Context(), numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func countFaults(t *testing.T, number uint64) (n int) {
	o := testOptions(t.TempDir() + "/store")
	h := smallHooks(o)
	h.fault = func() error { n++; return nil }
	s := mustOpen(t, o, h)
	commitUntil(t, s, number)
	n = 0
	commitUntil(t, s, number+1)
	return n
}

// Recovery may itself end early, at any of its steps, and is taken up again.
func TestFaultsInRecovery(t *testing.T) {
	for fault := 1; fault <= 6; fault++ {
		o := testOptions(t.TempDir() + "/store")
		h := smallHooks(o)
		left := -1
		h.fault = func() error {
			if left--; left == 0 {
				return errors.New("the disk says no")
			}
			return nil
		}
		s := mustOpen(t, o, h)
		commitUntil(t, s, 6)
		left = 4 // right after the commit
		if err := s.Commit(t.Context(), numbered(6)); !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("Commit = %v", err)
		}
		_ = s.Close()
		left = fault
		if _, err := open(t.Context(), o, h); err == nil {
			t.Errorf("fault %d: opened although recovery failed", fault)
		}
		if last := checkNumbered(t, mustOpen(t, o, smallHooks(o))); last != 6 {
			t.Errorf("fault %d: reopened at batch %d, want 6", fault, last)
		}
	}
}

// Invariant 3: below the reserve nothing is written, and as soon as there is
// space again commits go on. Opening needs less.
func TestSpace(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := defaultHooks(o)
	var free uint64
	var failure error
	h.free = func(string) (uint64, error) { return free, failure }

	bound := spaceFor(0)
	free = openSpace(bound) - 1
	if _, err := open(t.Context(), o, h); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("open = %v without space, want ErrUnavailable", err)
	}
	free = openSpace(bound)
	s := mustOpen(t, o, h)
	batch := numbered(1)
	bound = s.disk.space.bound()
	whole := bound + s.disk.space.reserve.size
	for _, free = range []uint64{0, openSpace(bound), whole + writes(batch.Size()) - 1} {
		if err := s.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Commit = %v with %d free, want ErrUnavailable", err, free)
		}
		if err := s.Writable(); free < whole && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Writable = %v with %d free, want ErrUnavailable", err, free)
		}
	}
	free, failure = whole+reserveStep+1<<20, errors.New("statfs says no")
	if err := s.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Commit = %v with unknown space, want ErrUnavailable", err)
	}
	failure = nil
	if err := s.Commit(t.Context(), batch); err != nil {
		t.Errorf("Commit = %v with space again", err)
	}
	free = s.disk.need(store.Size{}) // and the reserve is whole
	if err := s.Writable(); err != nil {
		t.Errorf("Writable = %v with space again", err)
	}
	checkNumbered(t, s)
}

// The space that the process may fill is that of the directory's file system.
func TestFreeSpace(t *testing.T) {
	if free, err := freeSpace(t.TempDir()); err != nil || free == 0 {
		t.Errorf("freeSpace = %d, %v", free, err)
	}
	if _, err := freeSpace("/nonexistent/x"); err == nil {
		t.Error("freeSpace of nothing has no error")
	}
}

// Durability of names: when Badger begins a new log, the directory is synced
// before the commit returns, and a failure of that is one of the commit.
func TestNamesAreSynced(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := smallHooks(o)
	synced := 0
	var failure error
	h.sync = func(path string) error {
		if path == o.Path {
			synced++
		}
		return errors.Join(syncFile(path), failure)
	}
	s := mustOpen(t, o, h)
	if first := s.disk.newest; first == 0 {
		t.Error("the first log is not known")
	}
	for n := uint64(1); n < 30; n++ {
		newest, before := s.disk.newest, synced
		commitUntil(t, s, n+1)
		present, err := newestLog(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		if present > newest && synced == before {
			t.Fatalf("batch %d: %s is new, and the directory was not synced", n, logName(present))
		}
		if synced > before && present == newest {
			t.Errorf("batch %d: the directory was synced without need", n)
		}
	}
	if s.disk.newest < 4 {
		t.Errorf("the newest log is %d: the test has not made Badger begin another", s.disk.newest)
	}
	failure = errors.New("the disk says no")
	s.disk.anchor.sync = func(string) error { return nil }
	var err error
	for n := uint64(30); n < 60 && err == nil; n++ {
		err = s.Commit(t.Context(), numbered(n))
	}
	if !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Commit = %v when the directory cannot be synced, want ErrUnknown", err)
	}
}

// Badger goes through many logs in a large commit, and removes the first of
// them before it ends. The directory is synced for these, and for later ones.
func TestNamesAreSyncedAfterManyLogs(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	h := smallHooks(o)
	durable := 0 // the newest log there was when the directory was synced
	h.sync = func(path string) (err error) {
		if path == o.Path {
			durable, err = newestLog(path)
		}
		return errors.Join(syncFile(path), err)
	}
	s := mustOpen(t, o, h)
	first := s.disk.newest
	check := func() (present []int) {
		t.Helper()
		present, err := logs(o.Path)
		if err != nil {
			t.Fatal(err)
		}
		if newest := present[len(present)-1]; newest > durable {
			t.Fatalf("%s is new, and the directory was last synced at %s", logName(newest), logName(durable))
		}
		return present
	}
	if err := s.Commit(t.Context(), large(8<<20)); err != nil {
		t.Fatal(err)
	}
	if present := check(); present[0] <= first+1 {
		t.Fatalf("the logs %v are there: the test has not made Badger remove %s", present, logName(first+1))
	}
	for before := s.disk.newest; s.disk.newest < before+3; {
		if err := s.Commit(t.Context(), large(100<<10)); err != nil {
			t.Fatal(err)
		}
		check()
	}
}

// large is a batch of new tokens of about that many bytes.
func large(bytes int) store.Batch {
	b := store.Batch{Expect: make(map[store.Name]store.Revision), Entries: []store.Entry{{Outcome: store.Installed}}}
	_, _ = rand.Read(b.Entries[0].Patch[:])
	for i := range bytes / 1000 {
		r := store.Record{
			Name:        store.Name{User: b.Entries[0].Patch.String(), Name: strconv.Itoa(i)},
			Description: strings.Repeat("d", 1000), Active: true, Generation: 1, Credentials: []store.Credential{{}},
		}
		_, _ = rand.Read(r.Credentials[0].Key[:])
		b.Expect[r.Name] = 0
		b.Put = append(b.Put, r)
	}
	return b
}

// Invariant 6: before anything is shown the logs that are there are synced,
// and then their directory.
func TestLeftoversAreSynced(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	killAfter(t, o.Path, 20)
	if err := removeUnborn(o.Path); err != nil { // which is as likely as its moment is short
		t.Fatal(err)
	}
	numbers, err := logs(o.Path)
	if err != nil || len(numbers) == 0 {
		t.Fatalf("the killed process has left logs %v, %v", numbers, err)
	}
	h := smallHooks(o)
	var synced []string
	h.sync = func(path string) error {
		synced = append(synced, filepath.Base(path))
		return syncFile(path)
	}
	mustOpen(t, o, h)
	for i, number := range numbers {
		if len(synced) <= i || synced[i] != logName(number) {
			t.Fatalf("synced %v, want %v first", synced, numbers)
		}
	}
	h.sync = func(string) error { return errors.New("the disk says no") }
	o = testOptions(t.TempDir() + "/store")
	if _, err := open(t.Context(), o, h); err == nil {
		t.Error("opened although nothing could be synced")
	}
}

// A process that is killed between making a log and giving it its size leaves
// one that Badger does not open again.
func TestUnbornLogs(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	commitUntil(t, s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{logName(99), "000099" + valueSuffix} {
		if err := os.WriteFile(filepath.Join(o.Path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = mustOpen(t, o, defaultHooks(o))
	if last := checkNumbered(t, s); last != 2 {
		t.Errorf("batch %d is the last, want 2", last)
	}
}

// Close does not wait for ever for a Badger that does not come to its end.
func TestCloseIsBounded(t *testing.T) {
	late, block := make(chan time.Time), make(chan struct{})
	defer close(block)
	close(late)
	if err := until(late, func() error { <-block; return nil }); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("until = %v, want ErrUnknown", err)
	}
	errClose := errors.New("the disk says no")
	if err := until(nil, func() error { return errClose }); !errors.Is(err, errClose) {
		t.Errorf("until = %v, want what it was told", err)
	}
}
