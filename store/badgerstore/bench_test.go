//go:build unix

package badgerstore

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// benchBatch is n patches that create one token each, numbered from first.
func benchBatch(first uint64, n int) store.Batch {
	b := store.Batch{Expect: make(map[store.Name]store.Revision, n)}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := first; i < first+uint64(n); i++ {
		name := store.Name{User: fmt.Sprintf("/users/user%07d", i), Name: "deploy"}
		var key token.Key
		binary.BigEndian.PutUint64(key[:], i*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(key[8:], i)
		var patch store.PatchID
		binary.BigEndian.PutUint64(patch[:], uint64(at.UnixMilli())<<16+i)
		binary.BigEndian.PutUint64(patch[8:], i*0x9e3779b97f4a7c15)
		path := fmt.Sprintf("user%07d.yaml", i)
		b.Expect[name] = 0
		b.Put = append(b.Put, store.Record{
			Name: name, Type: store.FullAccess, Audience: store.DefaultAudience, Active: true,
			IssuedAt: at, CreatedAt: at, UpdatedAt: at, Generation: 1,
			Source:      store.Source{Dir: "spool", Path: path},
			Credentials: []store.Credential{{Key: key, Digest: token.DigestOf([32]byte(append(key[:], patch[:]...))), Number: 1, IssuedAt: at}},
		})
		b.Entries = append(b.Entries, store.Entry{
			Patch: patch, Time: at, Dir: "spool", Path: path, Outcome: store.Installed, Changed: true, Author: "root",
			SHA256:  [32]byte(append(patch[:], key[:]...)),
			Changes: []store.Change{{Action: "create", Key: key, Name: name, Result: store.Created}},
		})
	}
	return b
}

func benchOpen(b *testing.B, path string) *Store {
	s, err := Open(b.Context(), Options{Path: path, Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkRecordUses stores uses of 10,000 tokens, which is what a daemon does
// once a minute that has as many in use.
func BenchmarkRecordUses(b *testing.B) {
	const tokens = 10_000
	s := benchOpen(b, b.TempDir()+"/store")
	defer s.Close()
	if err := s.Commit(b.Context(), benchBatch(1, tokens)); err != nil {
		b.Fatal(err)
	}
	used := make([]store.Used, 0, tokens)
	for r := range s.Tokens() {
		used = append(used, store.Used{Token: r.ID, Name: r.Name, CredentialUse: store.CredentialUse{
			Number: 1, Use: store.Use{At: r.CreatedAt, Count: 1},
		}})
	}
	for b.Loop() {
		if err := s.RecordUses(b.Context(), used); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/tokens, "µs/token")
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := benchOpen(b, b.TempDir()+"/store")
			next := uint64(1)
			for b.Loop() {
				b.StopTimer()
				batch := benchBatch(next, size)
				next += uint64(size)
				b.StartTimer()
				if err := s.Commit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(next-1)/b.Elapsed().Seconds(), "tokens/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkMillion opens a store of a million tokens, and says what they take
// on disk, ledger included.
func BenchmarkMillion(b *testing.B) {
	const million = 1_000_000
	path := b.TempDir() + "/store"
	s := benchOpen(b, path)
	start := time.Now()
	for next := uint64(1); next <= million; next += 1000 {
		if err := s.Commit(b.Context(), benchBatch(next, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled in %v", time.Since(start))
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		var used time.Duration
		for b.Loop() {
			b.StopTimer()
			s = nil
			runtime.GC()
			before := cpuTime(b)
			b.StartTimer()
			s = benchOpen(b, path)
			b.StopTimer()
			used += cpuTime(b) - before
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/million, "heap-bytes/token")
		runtime.KeepAlive(s)
		size, err := filesSize(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size)/million, "bytes/token")
	})
	b.Run("ledger", func(b *testing.B) {
		s := benchOpen(b, path)
		for b.Loop() {
			n := 0
			for _, err := range s.Ledger(b.Context()) {
				if n++; err != nil {
					b.Fatal(err)
				}
			}
			if n != million {
				b.Fatalf("%d entries", n)
			}
		}
		_ = s.Close()
	})
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
