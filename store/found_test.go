package store

import (
	"strconv"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

// looked is all that Lookup finds.
func (x *Index) looked(key token.Key, room *Room) (Record, Rule, bool) {
	f := x.Lookup(key)
	r, ok := f.Record(room)
	if !ok {
		return Record{}, f.Rule, false
	}
	return *r, f.Rule, true
}

// Found as it is decoded in two steps, in the same room, in others, and in none.
func TestFoundInSteps(t *testing.T) {
	full := fullRecord()
	full.Revision = 1 // as filled has it
	x := filled(full, record("other", 200))
	room := new(Room)
	for name, rooms := range map[string][2]*Room{"one room": {room, room}, "two": {room, new(Room)}, "one and none": {room, nil}, "none": {}} {
		f := x.Lookup(full.Key())
		if got := f.Credentials(rooms[0]); len(got) != len(full.Credentials) || got[0].Key != full.Key() {
			t.Errorf("%s: %+v", name, got)
		}
		if got, ok := f.Record(rooms[1]); !ok || !got.same(&full) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

// What is found for an unknown key has nothing to do with it, and is there in
// stores of any size.
func TestFoundForUnknownKeys(t *testing.T) {
	for _, n := range []uint64{0, 1, 100, 5000} {
		x := &Index{}
		var b Batch
		for i := range n {
			b.Put = append(b.Put, numbered(i+1, 1))
		}
		b.Marks = []Mark{{MarkID: UserRuleID("**"), Value: Rule{Blocked: true}.Value(), Revision: 1}}
		x.Apply(&b)
		for i := range uint64(100) {
			key := keyOf(n + 1 + i)
			f := x.Lookup(key)
			cs := f.Credentials(new(Room))
			if f.Known() || f.Rule != (Rule{}) || len(cs) == 0 || cs[0].Key == key {
				t.Errorf("among %d: %+v", n, f)
			}
			if r, ok := f.Record(nil); ok || r != nil {
				t.Errorf("among "+strconv.FormatUint(n, 10)+": %+v", r)
			}
		}
	}
}
