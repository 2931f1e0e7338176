//go:build unix

package badgerstore

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// childVariable makes the test binary a process that commits to the store in
// that directory until it is killed, or as often as countVariable says.
const (
	childVariable = "BADGERSTORE_CHILD"
	countVariable = "BADGERSTORE_COUNT"
	unsafeSync    = "BADGERSTORE_NO_SYNC"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := commitAll(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testOptions(path string) Options { return Options{Path: path, Log: zerolog.Nop()} }

// smallHooks make memtables so small that Badger begins new ones all the time,
// and that batches of some 100 KiB are staged.
func smallHooks(o Options) hooks {
	h := defaultHooks(o)
	h.badger.MemTableSize = 1 << 20
	h.badger.ValueThreshold = 128 << 10
	return h
}

// commitAll says what it is about to commit, and what it has committed. Each
// line is one write.
func commitAll(path string) error {
	o := testOptions(path)
	h := smallHooks(o)
	if os.Getenv(unsafeSync) != "" {
		h.badger.SyncWrites = false
	}
	s, err := open(context.Background(), o, h)
	if err != nil {
		return err
	}
	count, _ := strconv.Atoi(os.Getenv(countVariable))
	first := s.last() + 1
	for number := first; count == 0 || number < first+uint64(count); number++ {
		fmt.Printf("begin %d\n", number)
		if err := s.Commit(context.Background(), numbered(number)); err != nil {
			return err
		}
		fmt.Printf("done %d\n", number)
	}
	return s.Close()
}

// last is the number of commits that the store has seen.
func (s *Store) last() uint64 {
	m, err := s.disk.meta()
	if err != nil {
		panic(err)
	}
	return m.Head.ID
}

func patchOf(number uint64) (p store.PatchID) {
	binary.BigEndian.PutUint64(p[8:], number)
	return p
}

// numbered is the batch of that number: tokens that carry it as their
// generation, over those of the batch before, a mark that has it as its value,
// and one that is the batch's own.
func numbered(number uint64) store.Batch {
	b := store.Batch{Expect: make(map[store.Name]store.Revision), Entries: []store.Entry{{Patch: patchOf(number), Outcome: store.Installed}}}
	b.ExpectMarks = map[store.MarkID]store.Revision{counter: store.Revision(number - 1), once(number): 0}
	b.Marks = []store.Mark{{MarkID: counter, Value: strconv.FormatUint(number, 10)}, {MarkID: once(number)}}
	size, before := sizeOf(number), sizeOf(number-1)
	for i := range max(size, before) {
		name := store.Name{User: "u", Name: strconv.Itoa(i)}
		b.Expect[name] = 0
		if i < before {
			b.Expect[name] = store.Revision(number - 1)
		}
		if i >= size {
			b.Delete = append(b.Delete, name)
			continue
		}
		r := store.Record{Name: name, Active: true, Generation: number, Credentials: []store.Credential{{}}}
		binary.BigEndian.PutUint64(r.Credentials[0].Key[:], number)
		binary.BigEndian.PutUint64(r.Credentials[0].Key[8:], uint64(i))
		r.Description = fmt.Sprintf("%01000d", number)
		b.Put = append(b.Put, r)
	}
	return b
}

var counter = store.SerialID("spool/x.yaml")

func once(number uint64) store.MarkID { return store.OnceID("spool", strconv.FormatUint(number, 10)) }

// sizeOf is the number of tokens after that batch; every third batch is staged.
func sizeOf(number uint64) int {
	switch {
	case number == 0:
		return 0
	case number%3 == 0:
		return 300
	}
	return 1 + int(number%7)
}

// checkNumbered finds a store as it is after some batch, and returns its number.
func checkNumbered(t *testing.T, s *Store) uint64 {
	t.Helper()
	var last uint64
	for n, err := range s.Ledger(t.Context()) {
		if last++; err != nil || n.ID != last || n.Patch != patchOf(last) {
			t.Fatalf("entry %d: %+v, %v", last, n, err)
		}
	}
	if got, want := s.Len(), sizeOf(last); got != want {
		t.Errorf("%d tokens after batch %d, want %d", got, last, want)
	}
	for r := range s.Tokens() {
		if r.Generation != last || r.Revision != store.Revision(last) {
			t.Errorf("a token of batch %d after batch %d", r.Generation, last)
		}
		if got, ok := s.ByKey(r.Key()); !ok || got.Name != r.Name {
			t.Errorf("ByKey does not find token %v", r.Name)
		}
	}
	checkMarks(t, s, last)
	if _, ok := s.ByKey(token.Key{}); ok {
		t.Error("ByKey finds a key that was never stored")
	}
	for _, kind := range []byte{stagedKind, commitKind} {
		if err := s.disk.each(kind, func(r row) error { return fmt.Errorf("row %q", r.key) }); err != nil {
			t.Errorf("left behind: %v", err)
		}
	}
	return last
}

func checkMarks(t *testing.T, s *Store, last uint64) {
	t.Helper()
	want := make(map[store.MarkID]store.Mark)
	for n := uint64(1); n <= last; n++ {
		want[once(n)] = store.Mark{MarkID: once(n), Revision: store.Revision(n)}
		want[counter] = store.Mark{MarkID: counter, Value: strconv.FormatUint(n, 10), Revision: store.Revision(n)}
	}
	got := make(map[store.MarkID]store.Mark)
	for m := range s.Marks() {
		got[m.MarkID] = m
	}
	if !maps.Equal(got, want) {
		t.Errorf("marks after batch %d:\ngot  %v\nwant %v", last, got, want)
	}
}

func child(path string, variables ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(slices.Concat(os.Environ(), variables), childVariable+"="+path)
	c.Stderr = os.Stderr
	return c
}

// Invariants 1, 2 and 7 of package store: a process is killed at a random
// moment, and its successor finds what was acknowledged, and whole batches.
func TestKill(t *testing.T) {
	path := t.TempDir() + "/store"
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		acknowledged := killAfter(t, path, 1+random.IntN(40))
		s, err := open(t.Context(), testOptions(path), smallHooks(testOptions(path)))
		if err != nil {
			t.Fatal(err)
		}
		if last := checkNumbered(t, s); last != acknowledged && last != acknowledged+1 {
			t.Errorf("batch %d is the last, %d was acknowledged", last, acknowledged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter kills a child as soon as it has said so many lines, and returns
// the last batch that it has called done.
func killAfter(t *testing.T, path string, lines int) (acknowledged uint64) {
	t.Helper()
	return killAfterHook(t, path, lines, func() {})
}

// killAfterHook is killAfter with something that happens before, while the child
// goes on. It may be the child's end.
func killAfterHook(t *testing.T, path string, lines int, before func()) (acknowledged uint64) {
	t.Helper()
	c := child(path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said, done := bufio.NewScanner(out), make(chan bool)
	for n := 0; said.Scan(); n++ {
		var number uint64
		if _, err := fmt.Sscanf(said.Text(), "done %d", &number); err == nil {
			acknowledged = number
		} else if _, err := fmt.Sscanf(said.Text(), "begin %d", &number); err == nil {
			acknowledged = number - 1
		}
		if n == lines {
			go func() {
				defer close(done)
				before()
				_ = c.Process.Kill()
			}()
		}
	}
	_, _ = io.Copy(io.Discard, out)
	<-done
	if err := c.Wait(); err == nil {
		t.Fatal("the child ended before it was killed")
	}
	return acknowledged
}
