package store

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

// Rows of every length are what they were, also those that no chunk is large
// enough for, and the ones beside them.
func TestRows(t *testing.T) {
	var s rows
	places := make(map[int]place)
	for _, size := range []int{0, 1, 127, 128, chunkSize / 2, chunkSize - 20, chunkSize, 1, 3 * chunkSize, 2, chunkSize + 1, 3} {
		name := Name{User: strconv.Itoa(len(places)), Name: strings.Repeat("n", size%100)}
		at := s.add(name, bytes.Repeat([]byte{byte(len(places))}, size))
		places[len(places)] = at
		if found := s.at(s.copy(at)); found.Name != name || len(found.stored) != size {
			t.Errorf("the copy has %v and %d bytes, want %v and %d", found.Name, len(found.stored), name, size)
		}
	}
	for i, at := range places {
		found := s.at(at)
		if found.User != strconv.Itoa(i) || strings.Trim(found.stored, string([]byte{byte(i)})) != "" {
			t.Errorf("row %d has become %v", i, found.Name)
		}
	}
}

// size is what the rows take in memory.
func (s *rows) size() (n int) {
	for i := range s.chunks {
		n += len(s.chunks[i].text)
	}
	return n
}

// Tokens that are changed over and over take no more memory in the end. Those
// between them that stay must not keep what is dropped.
func TestIndexCompacts(t *testing.T) {
	const stay = 2000
	x := &Index{}
	var first []Record
	want := 0
	for i := range uint64(stay) {
		keeps := numbered(i, i)
		b := Batch{Put: []Record{keeps}}
		want += len(AppendRecord(nil, &keeps)) + 16
		for j := range uint64(40) {
			b.Put = append(b.Put, numbered(stay+j, i))
		}
		x.Apply(&b)
		if i == 0 {
			first = x.OfUser("u")
		}
	}
	if got, most := x.rows.size(), want*4/3+4*chunkSize; got > most {
		t.Errorf("%d bytes of rows for %d tokens, want %d at most", got, x.Len(), most)
	}
	for i := range uint64(stay) {
		if r, ok := x.ByKey(keyOf(i)); !ok || r.Generation != i || r.Name.Name != strconv.Itoa(int(i)) {
			t.Fatalf("token %d has become %v", i, r.Name)
		}
	}
	// What was handed out stays what it was.
	for _, r := range first {
		if len(r.Description) != 50 || strings.Trim(r.Description, "0") != "" {
			t.Errorf("a record has become %q", r.Description)
		}
	}
	b := Batch{}
	for r := range x.Tokens() {
		b.Delete = append(b.Delete, r.Name)
	}
	x.Apply(&b)
	if x.Len() != 0 || x.byKey.len != 0 || x.rows.size() > chunkSize {
		t.Errorf("%d tokens, %d keys and %d bytes are left", x.Len(), x.byKey.len, x.rows.size())
	}
}

func keyOf(i uint64) token.Key { return token.Key([]byte(strconv.FormatUint(1e15+i, 10))) }

// numbered is token i in its state of that generation.
func numbered(i, generation uint64) Record {
	r := record(strconv.FormatUint(i, 10))
	r.Description = strings.Repeat(strconv.FormatUint(generation%10, 10), 50)
	r.Generation = generation
	r.Credentials = []Credential{{Key: keyOf(i), Number: generation}}
	return r
}

// Readers see whole tokens of one state while rows move.
func TestIndexReadersWhileCompacting(t *testing.T) {
	const tokens, rounds = 1000, 100
	x := &Index{}
	apply := func(generation uint64) {
		b := Batch{}
		for i := range uint64(tokens) {
			if i%3 != 0 || generation == 0 { // the others are moved
				b.Put = append(b.Put, numbered(i, generation))
			}
		}
		x.Apply(&b)
	}
	apply(0)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var f Found
			for !done.Load() {
				i := rand.Uint64N(tokens)
				x.Lookup(keyOf(i), &f)
				r, ok := f.Record()
				if !ok || r.Key() != keyOf(i) || r.Name.Name != strconv.FormatUint(i, 10) ||
					strings.Trim(r.Description, strconv.FormatUint(r.Generation%10, 10)) != "" {
					t.Errorf("token %d is %v, %v", i, r.Name, ok)
					return
				}
			}
		})
	}
	for round := range uint64(rounds) {
		apply(round + 1)
	}
	done.Store(true)
	readers.Wait()
}

// Keys and names are whatever manifests say. Which of them collide must not be
// known beforehand.
func TestIndexHashesDiffer(t *testing.T) {
	one, other := filled(), filled()
	if one.hashKey(keyOf(1)) == other.hashKey(keyOf(1)) || one.hashName(Name{"u", "n"}) == other.hashName(Name{"u", "n"}) {
		t.Error("two indexes hash alike")
	}
}

// Rows whose hashes are alike are told apart by what they are.
func TestIndexCollisions(t *testing.T) {
	x := filled(record("a", 1), record("b", 2))
	a, b := x.findName(Name{"u", "a"}), x.findName(Name{"u", "b"})
	for _, other := range []place{a, b} {
		for key := range byte(4) {
			x.byKey.put(x.hashKey(token.Key{key}), other)
		}
		for _, name := range []string{"a", "b", "c"} {
			x.byName.put(x.hashName(Name{"u", name}), other)
		}
	}
	for key, want := range []string{"", "a", "b", ""} {
		if r, ok := x.ByKey(token.Key{byte(key)}); r.Name.Name != want || ok != (want != "") {
			t.Errorf("key %d is that of %q, want %q", key, r.Name.Name, want)
		}
	}
	for name, want := range map[string]place{"a": a, "b": b, "c": 0} {
		if got := x.findName(Name{"u", name}); got != want {
			t.Errorf("%s is in place %d, want %d", name, got, want)
		}
	}
}

// A Found has only what was looked up last.
func TestFoundIsUsedAgain(t *testing.T) {
	full, plain, sealed, former := fullRecord(), record("plain", 20), record("sealed", 21, 22), record("former", 23, 24)
	for i := range 2 {
		sealed.Credentials[i].Extra = &Extra{Sealed: []byte("sealed")}
		former.Credentials[i].Extra = &Extra{Former: token.Key{byte(30 + i)}}
	}
	all := []Record{full, plain, sealed, former}
	x := filled(all...)
	var f Found
	for i := range all {
		for j := range all {
			for _, want := range []*Record{&all[i], &all[j]} {
				x.Lookup(want.Key(), &f)
				if r, _ := f.Record(); !r.same(want) {
					t.Errorf("Lookup = %+v, want %+v", r, want)
				}
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { x.Lookup(sealed.Key(), &f); f.Record() }); n != 0 {
		t.Errorf("a lookup allocates %v times", n)
	}
}

// same compares stored forms.
func (r *Record) same(o *Record) bool {
	return r.Name == o.Name && bytes.Equal(AppendRecord(nil, r), AppendRecord(nil, o))
}
