package store

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/tokendrop/tokendrop/store/token"
)

// Index is the memory that readers are answered from. A backend fills it when
// it opens and feeds it each batch once that is durable. The zero Index is
// empty and ready.
type Index struct {
	mu     sync.RWMutex
	byName map[Name]*Record
	byKey  map[token.Key]*Record
	from   map[string]int // how many tokens each drop directory is the source of
	forms  map[Form]int   // how many credentials are kept so, but for plain ones
	marks  map[MarkID]Mark
	rules  rules
}

// ByKey implements Reader.
func (x *Index) ByKey(key token.Key) (Record, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return found(x.byKey[key])
}

// ByName implements Reader.
func (x *Index) ByName(name Name) (Record, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return found(x.byName[name])
}

// Lookup implements Store.
func (x *Index) Lookup(key token.Key) (Record, Rule, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := x.byKey[key]
	if r == nil {
		return Record{}, Rule{}, false
	}
	return *r, x.rules.of(r.User), true
}

// OfUser implements Reader. It looks at every token, which few plans ask for.
func (x *Index) OfUser(user string) []Record {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var own []Record
	for name, r := range x.byName {
		if name.User == user {
			own = append(own, *r)
		}
	}
	slices.SortFunc(own, func(a, b Record) int { return a.Name.Compare(b.Name) })
	return own
}

// NamesOf implements Reader.
func (x *Index) NamesOf(users map[string]bool) map[string][]string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := make(map[string][]string, len(users))
	for name := range x.byName {
		if users[name.User] {
			names[name.User] = append(names[name.User], name.Name)
		}
	}
	return names
}

// CountFrom implements Reader.
func (x *Index) CountFrom(dir string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.from[dir]
}

// Mark implements Reader.
func (x *Index) Mark(id MarkID) (Mark, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m, ok := x.marks[id]
	return m, ok
}

func found(r *Record) (Record, bool) {
	if r == nil {
		return Record{}, false
	}
	return *r, true
}

// Tokens yields what there is at the moment of the call.
func (x *Index) Tokens() iter.Seq[Record] {
	x.mu.RLock()
	all := make([]*Record, 0, len(x.byName))
	for _, r := range x.byName {
		all = append(all, r)
	}
	x.mu.RUnlock()
	return func(yield func(Record) bool) {
		for _, r := range all {
			if !yield(*r) {
				return
			}
		}
	}
}

// Forms implements Store.
func (x *Index) Forms() map[Form]int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return maps.Clone(x.forms)
}

// Marks yields what there is at the moment of the call.
func (x *Index) Marks() iter.Seq[Mark] {
	x.mu.RLock()
	all := slices.Collect(maps.Values(x.marks))
	x.mu.RUnlock()
	return slices.Values(all)
}

// Len is the number of tokens.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.byName)
}

// LenMarks is the number of marks.
func (x *Index) LenMarks() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.marks)
}

// Check tests the preconditions of a batch against what is durable: its
// expectations, and that each key has one owner. It returns ErrConflict.
// Backends that write alone hold a lock from Check to Apply.
func (x *Index) Check(b *Batch) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for name, want := range b.Expect {
		var have Revision
		if r := x.byName[name]; r != nil {
			have = r.Revision
		}
		if have != want {
			return fmt.Errorf("%w: a token is at revision %d, not %d", ErrConflict, have, want)
		}
	}
	for id, want := range b.ExpectMarks {
		if have := x.marks[id].Revision; have != want {
			return fmt.Errorf("%w: a mark is at revision %d, not %d", ErrConflict, have, want)
		}
	}
	return x.checkKeys(b)
}

func (x *Index) checkKeys(b *Batch) error {
	written := make(map[Name]bool, len(b.Put)+len(b.Delete))
	for i := range b.Put {
		written[b.Put[i].Name] = true
	}
	for _, name := range b.Delete {
		written[name] = true
	}
	taken := make(map[token.Key]Name, len(b.Put))
	for i := range b.Put {
		for _, key := range b.Put[i].Keys() {
			owner := x.byKey[key]
			by, twice := taken[key]
			if twice && by != b.Put[i].Name || owner != nil && !written[owner.Name] {
				return fmt.Errorf("%w: a key belongs to another token", ErrConflict)
			}
			taken[key] = b.Put[i].Name
		}
	}
	return nil
}

// Gone lists the tokens that are there, and would not be after the batch. One
// that it renames would.
func (x *Index) Gone(b *Batch) []TokenID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	stays := make(map[TokenID]bool, len(b.Put))
	for i := range b.Put {
		stays[b.Put[i].ID] = true
	}
	var gone []TokenID
	look := func(name Name) {
		if r := x.byName[name]; r != nil && !stays[r.ID] {
			gone = append(gone, r.ID)
		}
	}
	for _, name := range b.Delete {
		look(name)
	}
	for i := range b.Put {
		look(b.Put[i].Name)
	}
	return gone
}

// Apply makes a batch visible, all of it at one moment.
func (x *Index) Apply(b *Batch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range b.Delete {
		x.remove(name)
	}
	for i := range b.Put {
		x.remove(b.Put[i].Name)
	}
	for i := range b.Put {
		r := b.Put[i]
		x.add(&r)
	}
	x.setMarks(b.Marks)
}

// Load adds what a backend finds when it opens. It presumes that none of the
// tokens is there, and keeps the slice of records, which stays in memory as
// long as one of them: both save much of the time that Apply takes.
func (x *Index) Load(records []Record, marks []Mark) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range records {
		x.add(&records[i])
	}
	x.setMarks(marks)
}

// Grow makes room in an empty index for as many tokens, so that Load need not
// make it over and over.
func (x *Index) Grow(tokens int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.byName) == 0 {
		x.byName, x.byKey = make(map[Name]*Record, tokens), make(map[token.Key]*Record, tokens)
	}
}

func (x *Index) add(r *Record) {
	if x.byName == nil {
		x.byName, x.byKey = make(map[Name]*Record), make(map[token.Key]*Record)
	}
	if x.from == nil {
		x.from = make(map[string]int)
	}
	x.byName[r.Name] = r
	x.from[r.Source.Dir]++
	for i := range r.Credentials {
		c := &r.Credentials[i]
		x.byKey[c.Key] = r
		if c.Extra != nil && !c.Extra.Former.IsZero() {
			x.byKey[c.Extra.Former] = r
		}
		x.countForm(c, 1)
	}
}

// countForm counts a credential unless it is plain.
func (x *Index) countForm(c *Credential, by int) {
	f := c.Form()
	if f == (Form{}) {
		return
	}
	if x.forms == nil {
		x.forms = make(map[Form]int)
	}
	if x.forms[f] += by; x.forms[f] == 0 {
		delete(x.forms, f)
	}
}

func (x *Index) remove(name Name) {
	old := x.byName[name]
	if old == nil {
		return
	}
	delete(x.byName, name)
	x.from[old.Source.Dir]--
	for _, key := range old.Keys() {
		delete(x.byKey, key)
	}
	for i := range old.Credentials {
		x.countForm(&old.Credentials[i], -1)
	}
}

func (x *Index) setMarks(marks []Mark) {
	if x.marks == nil {
		x.marks = make(map[MarkID]Mark)
	}
	for _, m := range marks {
		x.marks[m.MarkID] = m
		if m.Kind == UserRule {
			x.rules.set(m.Key, RuleOf(m.Value))
		}
	}
}
