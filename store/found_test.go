package store

import (
	"strconv"
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

// looked is all that Lookup finds.
func (x *Index) looked(key token.Key) (Record, Rule, bool) {
	var f Found
	x.Lookup(key, &f)
	r, ok := f.Record()
	if !ok {
		return Record{}, f.Rule, false
	}
	return *r, f.Rule, true
}

// Found as it is decoded in two steps, in one, and again.
func TestFoundInSteps(t *testing.T) {
	full := fullRecord()
	full.Revision = 1 // as filled has it
	x := filled(full, record("other", 200))
	var f Found
	for range 2 {
		x.Lookup(full.Key(), &f)
		credentials := f.Credentials()
		if len(credentials) != len(full.Credentials) || credentials[0].Key != full.Key() {
			t.Errorf("%+v", credentials)
		}
		for range 2 {
			got, ok := f.Record()
			f.Credentials() // takes nothing away
			if !ok || !got.same(&full) || &got.Credentials[0] != &credentials[0] {
				t.Errorf("in two steps: %+v, %v", got, ok)
			}
		}
		x.Lookup(full.Key(), &f)
		if got, ok := f.Record(); !ok || !got.same(&full) {
			t.Errorf("in one: %+v, %v", got, ok)
		}
	}
}

// What is found for an unknown key has nothing to do with it, and is there in
// stores of any size.
func TestFoundForUnknownKeys(t *testing.T) {
	var f Found
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
			x.Lookup(key, &f)
			cs := f.Credentials()
			if f.Known() || f.Rule != (Rule{}) || len(cs) == 0 || cs[0].Key == key {
				t.Errorf("among %d: %+v", n, f)
			}
			if r, ok := f.Record(); ok || r != nil {
				t.Errorf("among "+strconv.FormatUint(n, 10)+": %+v", r)
			}
		}
	}
}
