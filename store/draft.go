package store

import (
	"slices"

	"github.com/tokendrop/tokendrop/store/token"
)

// Draft is a plan in the making: what a Reader holds, with changes on top
// that nobody else sees. It is a Reader itself, so a later entry sees an
// earlier one, and a draft over a draft is a patch that can be dropped
// without a trace. A Draft belongs to one goroutine.
type Draft struct {
	base    Reader
	read    map[Name]Revision // what base said, 0 where it had none
	written map[Name]*Record  // nil: deleted
	owner   map[token.Key]Name
	from    map[string]int // by how many CountFrom differs from base's

	ahead map[string]bool     // users of whom LookAhead has asked
	names map[string][]string // of their tokens in base

	readMarks map[MarkID]Revision
	marks     map[MarkID]*Mark // nil: taken back
}

// NewDraft starts from what base holds.
func NewDraft(base Reader) *Draft {
	return &Draft{
		base:    base,
		read:    make(map[Name]Revision),
		written: make(map[Name]*Record),
		owner:   make(map[token.Key]Name),
		from:    make(map[string]int),

		readMarks: make(map[MarkID]Revision),
		marks:     make(map[MarkID]*Mark),
	}
}

// ByName implements Reader.
func (d *Draft) ByName(name Name) (Record, bool) {
	if r, ok := d.written[name]; ok {
		if r == nil {
			return Record{}, false
		}
		return *r, true
	}
	r, ok := d.base.ByName(name)
	d.expect(name, r.Revision)
	return r, ok
}

// ByKey implements Reader.
func (d *Draft) ByKey(key token.Key) (Record, bool) {
	if name, ok := d.owner[key]; ok {
		return d.ByName(name)
	}
	r, ok := d.base.ByKey(key)
	if !ok {
		return Record{}, false
	}
	if _, rewritten := d.written[r.Name]; rewritten {
		return Record{}, false // the draft took the key away from it
	}
	d.expect(r.Name, r.Revision)
	return r, true
}

// LookAhead says of which users OfUser will be asked: for many of them it would
// look at every token as often.
func (d *Draft) LookAhead(users map[string]bool) {
	d.ahead, d.names = users, d.base.NamesOf(users)
}

// ofUser is OfUser of base, in no particular order.
func (d *Draft) ofUser(user string) []Record {
	if !d.ahead[user] {
		return d.base.OfUser(user)
	}
	var own []Record
	for _, name := range d.names[user] {
		if r, ok := d.base.ByName(Name{user, name}); ok {
			own = append(own, r)
		}
	}
	return own
}

// NamesOf implements Reader.
func (d *Draft) NamesOf(users map[string]bool) map[string][]string {
	names := d.base.NamesOf(users)
	for user, of := range names {
		names[user] = slices.DeleteFunc(of, func(name string) bool {
			_, rewritten := d.written[Name{user, name}]
			return rewritten
		})
	}
	for name, r := range d.written {
		if r != nil && users[name.User] {
			names[name.User] = append(names[name.User], name.Name)
		}
	}
	return names
}

// OfUser implements Reader.
func (d *Draft) OfUser(user string) []Record {
	var own []Record
	for _, r := range d.ofUser(user) {
		if _, rewritten := d.written[r.Name]; !rewritten {
			d.expect(r.Name, r.Revision)
			own = append(own, r)
		}
	}
	for name, r := range d.written {
		if r != nil && name.User == user {
			own = append(own, *r)
		}
	}
	slices.SortFunc(own, func(a, b Record) int { return a.Name.Compare(b.Name) })
	return own
}

// CountFrom implements Reader.
func (d *Draft) CountFrom(dir string) int { return d.base.CountFrom(dir) + d.from[dir] }

// Mark implements Reader.
func (d *Draft) Mark(id MarkID) (Mark, bool) {
	if m, ok := d.marks[id]; ok {
		if m == nil {
			return Mark{}, false
		}
		return *m, true
	}
	m, ok := d.base.Mark(id)
	if _, read := d.readMarks[id]; !read {
		d.readMarks[id] = m.Revision // as in expect
	}
	return m, ok
}

// SetMark writes a mark over.
func (d *Draft) SetMark(id MarkID, value string) {
	d.Mark(id) // so that it is expected as it is
	d.marks[id] = &Mark{MarkID: id, Value: value}
}

// Unmark takes a mark of kind Kept back.
func (d *Draft) Unmark(id MarkID) {
	d.Mark(id)
	d.marks[id] = nil
}

// expect remembers what the plan has read first: a later look may show what
// somebody else has committed meanwhile, which the plan does not know.
func (d *Draft) expect(name Name, revision Revision) {
	if _, ok := d.read[name]; !ok {
		d.read[name] = revision
	}
}

// Put writes a record under its name.
func (d *Draft) Put(r Record) {
	d.forget(r.Name)
	d.written[r.Name] = &r
	d.from[r.Source.Dir]++
	for _, key := range r.Keys() {
		d.owner[key] = r.Name
	}
}

// Delete removes the record of that name.
func (d *Draft) Delete(name Name) {
	d.forget(name)
	d.written[name] = nil
}

// forget takes back what the draft knows of the record of that name, and notes
// what the base holds under it.
func (d *Draft) forget(name Name) {
	old, ok := d.ByName(name)
	if ok {
		d.from[old.Source.Dir]--
	}
	for _, key := range old.Keys() {
		if d.owner[key] == name {
			delete(d.owner, key)
		}
	}
}

// Merge takes over the changes of a draft that was made over d.
func (d *Draft) Merge(over *Draft) {
	for name, r := range over.written {
		if r == nil {
			d.Delete(name)
		}
	}
	for _, r := range over.written {
		if r != nil {
			d.Put(*r)
		}
	}
	for id, m := range over.marks {
		if m == nil {
			d.Unmark(id)
		} else {
			d.SetMark(id, m.Value)
		}
	}
}

// Batch is the draft as one conditional commit with these entries.
func (d *Draft) Batch(entries []Entry) Batch {
	b := Batch{Expect: d.read, ExpectMarks: d.readMarks, Entries: entries}
	for id, m := range d.marks {
		switch {
		case m != nil:
			b.Marks = append(b.Marks, *m)
		case d.readMarks[id] != 0:
			b.Unmark = append(b.Unmark, id)
		}
	}
	slices.SortFunc(b.Marks, func(a, o Mark) int { return a.compare(o.MarkID) })
	slices.SortFunc(b.Unmark, MarkID.compare)
	for name, r := range d.written {
		switch {
		case r != nil:
			b.Put = append(b.Put, *r)
		case d.read[name] != 0:
			b.Delete = append(b.Delete, name)
		}
	}
	slices.SortFunc(b.Put, func(a, b Record) int { return a.Name.Compare(b.Name) })
	slices.SortFunc(b.Delete, Name.Compare)
	return b
}

// Size is what the changes take from Limits, ledger entries not counted.
func (d *Draft) Size() Size {
	b := d.Batch(nil)
	return b.Size()
}
