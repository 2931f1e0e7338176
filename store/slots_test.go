package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever hashes collide, up to all of them, each place is found until it is
// removed, and nothing else is.
func TestSlots(t *testing.T) {
	for name, hash := range map[string]func(place) uint64{
		"all apart":          func(at place) uint64 { return uint64(at) * 0x9e3779b97f4a7c15 },
		"all alike":          func(place) uint64 { return 1 << 40 },
		"all at the end":     func(place) uint64 { return math.MaxUint64 },
		"few":                func(at place) uint64 { return uint64(at%5) * (math.MaxUint64 / 5) },
		"one table, few":     func(at place) uint64 { return uint64(at%7) << 51 },
		"one table, apart":   func(at place) uint64 { return uint64(at) * 0x9e3779b97f4a7c15 >> tableBits },
		"one table, the end": func(at place) uint64 { return 1<<54 - 1 - uint64(at%50)<<30 },
	} {
		t.Run(name, func(t *testing.T) { testSlots(t, hash) })
	}
}

func testSlots(t *testing.T, hash func(place) uint64) {
	const most = 300
	var s slots
	random := rand.New(rand.NewPCG(1, 2))
	there := make(map[place]bool)
	for step := range 20_000 {
		at := place(1 + random.IntN(most))
		switch moved := at + 1<<39; {
		case !there[at] && !there[moved]:
			s.put(hash(at), at)
			there[at] = true
		case random.IntN(4) == 0 && there[at]:
			s.move(hash(at), at, moved)
			delete(there, at)
			there[moved] = true
		case there[at]:
			s.remove(hash(at), at)
			delete(there, at)
		default:
			s.remove(hash(at), moved)
			delete(there, moved)
		}
		if step%500 == 0 {
			checkSlots(t, &s, there, most, hash)
		}
	}
}

func checkSlots(t *testing.T, s *slots, there map[place]bool, most int, hash func(place) uint64) {
	t.Helper()
	if s.len != len(there) {
		t.Fatalf("%d slots, want %d", s.len, len(there))
	}
	for i := range most {
		for _, at := range []place{place(i + 1), place(i+1) + 1<<39} {
			h := hash(at &^ (1 << 39))
			got := s.find(h, func(found place) bool { return found == at })
			if has := s.has(h, at); has != there[at] || (got == at) != there[at] {
				t.Fatalf("place %d: has %v, found %d, want %v", at, has, got, there[at])
			}
		}
	}
	for at := range s.all {
		if !there[at] {
			t.Fatalf("all yields %d", at)
		}
	}
}

// Many slots take little more than their size, whether or not their number was
// known before.
func TestSlotsAreSmall(t *testing.T) {
	const many = 200_000
	for _, known := range []int{0, many} {
		var s slots
		s.grow(known)
		for i := range many {
			s.put(rand.Uint64(), place(i+1))
		}
		size := 0
		for i := range s.tables {
			size += 8 * len(s.tables[i].slots)
		}
		if len(slices.Collect(s.all)) != many || size > 8*many*8/5 {
			t.Errorf("%d bytes for %d slots, %d known before", size, many, known)
		}
	}
}

// What was never begun has nothing, and takes no harm.
func TestSlotsEmpty(t *testing.T) {
	var s slots
	s.remove(1, 1)
	if s.has(1, 1) || s.find(1, func(place) bool { return true }) != 0 {
		t.Error("the zero slots have something")
	}
}
