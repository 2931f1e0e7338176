package store

// place is where a row lies: the number of its chunk, which is never 0, and 16
// bits of where it begins there. The zero place is none.
type place uint64

const (
	placeBits = 40
	tagBits   = 64 - placeBits
	tableBits = 10
)

// slots find the places of rows by a hash, by open addressing. There are many
// tables, by the first bits of the hash, so that readers need not wait long
// while one grows. A slot has the next bits, the tag, above a place; an empty
// one is 0. Where a slot belongs follows from its tag, so that tables grow, and
// close the gap that a removed one leaves, without a look at any row.
//
// The zero slots are empty.
type slots struct {
	tables []table
	len    int
}

type table struct {
	slots []uint64
	used  int
}

// grow makes room for as many slots, unless there are some already.
func (s *slots) grow(n int) {
	if s.tables != nil {
		return
	}
	s.tables = make([]table, 1<<tableBits)
	if each := n >> tableBits; each > 0 {
		for i := range s.tables {
			s.tables[i].slots = make([]uint64, each+each/3+8)
		}
	}
}

func (s *slots) of(hash uint64) (*table, uint64) {
	return &s.tables[hash>>(64-tableBits)], hash << tableBits >> placeBits << placeBits
}

// home is where the search for a slot begins.
func (t *table) home(slot uint64) int {
	return int(slot >> placeBits * uint64(len(t.slots)) >> tagBits)
}

func (t *table) next(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// find finds the place that is the one, of those with the hash or almost; 0 if
// there is none.
func (s *slots) find(hash uint64, is func(place) bool) place {
	if s.len == 0 {
		return 0
	}
	t, tag := s.of(hash)
	if t.used == 0 {
		return 0
	}
	for i := t.home(tag); t.slots[i] != 0; i = t.next(i) {
		if at := place(t.slots[i] ^ tag); at < 1<<placeBits && is(at) {
			return at
		}
	}
	return 0
}

// near is a place that find comes by at a hash, or would come by next; 0 if there
// is none in the table.
func (s *slots) near(hash uint64) place {
	if s.len == 0 {
		return 0
	}
	t, tag := s.of(hash)
	if t.used == 0 {
		return 0
	}
	i := t.home(tag)
	for t.slots[i] == 0 {
		i = t.next(i)
	}
	return place(t.slots[i] & (1<<placeBits - 1))
}

// put adds a place, which must not be there.
func (s *slots) put(hash uint64, at place) {
	s.grow(0)
	t, tag := s.of(hash)
	if len(t.slots)*4 <= t.used*5 {
		old := t.slots
		t.slots = make([]uint64, len(old)+len(old)/4+8)
		for _, slot := range old {
			if slot != 0 {
				t.insert(slot)
			}
		}
	}
	t.insert(tag | uint64(at))
	t.used++
	s.len++
}

func (t *table) insert(slot uint64) {
	i := t.home(slot)
	for t.slots[i] != 0 {
		i = t.next(i)
	}
	t.slots[i] = slot
}

// index is where the place is in its table, -1 if it is not there.
func (t *table) index(slot uint64) int {
	if t.used == 0 {
		return -1
	}
	i := t.home(slot)
	for t.slots[i] != slot {
		if t.slots[i] == 0 {
			return -1
		}
		i = t.next(i)
	}
	return i
}

// has tells whether a place is there under the hash.
func (s *slots) has(hash uint64, at place) bool {
	if s.len == 0 {
		return false
	}
	t, tag := s.of(hash)
	return t.index(tag|uint64(at)) >= 0
}

// move puts another place where one is.
func (s *slots) move(hash uint64, from, to place) {
	t, tag := s.of(hash)
	if i := t.index(tag | uint64(from)); i >= 0 {
		t.slots[i] = tag | uint64(to)
	}
}

// remove takes a place out, if it is there, and closes the gap: a slot that
// would no longer be found from its home moves there.
func (s *slots) remove(hash uint64, at place) {
	if s.len == 0 {
		return
	}
	t, tag := s.of(hash)
	gap := t.index(tag | uint64(at))
	if gap < 0 {
		return
	}
	t.used--
	s.len--
	for i := t.next(gap); t.slots[i] != 0; i = t.next(i) {
		home := t.home(t.slots[i])
		if reachable := gap < home && home <= i || i < gap && (home <= i || gap < home); !reachable {
			t.slots[gap] = t.slots[i]
			gap = i
		}
	}
	t.slots[gap] = 0
}

// all yields every place, in no particular order.
func (s *slots) all(yield func(place) bool) {
	for i := range s.tables {
		for at := range s.tables[i].all {
			if !yield(at) {
				return
			}
		}
	}
}

func (t *table) all(yield func(place) bool) {
	for _, slot := range t.slots {
		if at := place(slot & (1<<placeBits - 1)); at != 0 && !yield(at) {
			return
		}
	}
}
