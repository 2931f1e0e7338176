package store

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tokendrop/tokendrop/store/token"
)

// Index is the memory that readers are answered from. A backend fills it when
// it opens and feeds it each batch once that is durable. The zero Index is
// empty and ready.
//
// Tokens are kept in stored form, and decoded for whoever asks: of a million,
// few are asked for at a time.
type Index struct {
	mu     sync.RWMutex
	seed   maphash.Seed // keys and names are chosen by others, who must not choose the hash
	rows   rows
	byName slots
	byKey  slots
	from   map[string]*int // how many tokens each drop directory is the source of
	forms  map[Form]int    // how many credentials are kept so, but for plain ones
	opaque int             // how many credentials HasOpaque is about
	marks  map[MarkID]Mark
	rules  rules

	commits uint64
}

// ByKey implements Reader.
func (x *Index) ByKey(key token.Key) (Record, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found row
	if x.findKey(key, &found) == 0 {
		return Record{}, false
	}
	return found.record(nil)
}

// ByName implements Reader.
func (x *Index) ByName(name Name) (Record, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.record(x.findName(name), nil)
}

// Lookup implements Store. For an unknown key it finds the token that would be
// next to it, whose row takes as long to come from memory as that of a known one.
func (x *Index) Lookup(key token.Key, f *Found) {
	x.mu.RLock()
	f.known, f.begun = x.findKey(key, &f.row) != 0, false
	if !f.known {
		f.row = nobody
		if at := x.byKey.near(x.hashKey(key)); at != 0 {
			f.row = x.rows.at(at)
		}
	}
	f.Rule = x.rules.of(f.row.User)
	x.mu.RUnlock() // a row stays what it is
	if !f.known {
		f.Rule = Rule{}
		_ = hasKey(f.row.stored, key)
	}
}

// nobody is found in the place of an unknown key where there is no other token.
var nobody = row{Name: Name{User: "nobody-is-called-so"}, stored: string(AppendRecord(nil, &Record{Type: FullAccess, Audience: DefaultAudience, Credentials: make([]Credential, 1)}))}

// record decodes the row. Each was decoded once already, when it came in.
func (r row) record(room *Room) (Record, bool) {
	rec, err := decodeRecord(r.Name, r.stored, room)
	return rec, err == nil
}

// record decodes the row in a place, if it is one.
func (x *Index) record(at place, room *Room) (Record, bool) {
	if at == 0 {
		return Record{}, false
	}
	return x.rows.at(at).record(room)
}

func (x *Index) findName(name Name) place {
	return x.byName.find(x.hashName(name), func(at place) bool { return x.rows.at(at).Name == name })
}

// findKey finds the row that a key selects, and its place; 0 if there is none.
func (x *Index) findKey(key token.Key, found *row) place {
	return x.byKey.find(x.hashKey(key), func(at place) bool {
		*found = x.rows.at(at)
		return hasKey(found.stored, key)
	})
}

// begin makes the first hash possible.
func (x *Index) begin() {
	if x.from == nil {
		x.seed, x.from = maphash.MakeSeed(), make(map[string]*int)
	}
}

func (x *Index) hashKey(key token.Key) uint64 {
	if x.from == nil {
		return 0
	}
	return maphash.Bytes(x.seed, key[:])
}

func (x *Index) hashName(name Name) uint64 {
	if x.from == nil {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(x.seed)
	_, _ = h.WriteString(name.User)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(name.Name)
	return h.Sum64()
}

// OfUser implements Reader. It looks at every token, which few plans ask for.
func (x *Index) OfUser(user string) []Record {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var own []Record
	for at := range x.byName.all {
		if found := x.rows.at(at); found.User == user {
			r, _ := found.record(nil)
			own = append(own, r)
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
	for at := range x.byName.all {
		if found := x.rows.at(at); users[found.User] {
			names[found.User] = append(names[found.User], found.Name.Name)
		}
	}
	return names
}

// CountFrom implements Reader.
func (x *Index) CountFrom(dir string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if n := x.from[dir]; n != nil {
		return *n
	}
	return 0
}

// Mark implements Reader.
func (x *Index) Mark(id MarkID) (Mark, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m, ok := x.marks[id]
	return m, ok
}

// Revoked implements Store. It does not allocate.
func (x *Index) Revoked(key token.Key, user string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	name := append(append(make([]byte, 0, len(key)+maxUser), key[:]...), user...)
	_, forAll := x.marks[MarkID{Revoked, string(name[:len(key)])}]
	_, forUser := x.marks[MarkID{Revoked, string(name)}]
	return forAll || forUser
}

// maxUser is how many bytes a user has at most. A longer one would only cost
// an allocation.
const maxUser = 256

// Tokens yields what there is at the moment of the call.
func (x *Index) Tokens() iter.Seq[Record] {
	x.mu.RLock()
	all := make([]row, 0, x.byName.len)
	for at := range x.byName.all {
		all = append(all, x.rows.at(at))
	}
	x.mu.RUnlock()
	return func(yield func(Record) bool) {
		for _, found := range all {
			if r, ok := found.record(nil); ok && !yield(r) {
				return
			}
		}
	}
}

// HasOpaque implements Store.
func (x *Index) HasOpaque() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.opaque > 0
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
	return x.byName.len
}

// LenMarks is the number of marks.
func (x *Index) LenMarks() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.marks)
}

// Apply makes a batch visible, all of it at one moment.
func (x *Index) Apply(b *Batch) {
	x.apply(b)
	for x.compact() {
	}
}

func (x *Index) apply(b *Batch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin()
	room := new(Room)
	for _, name := range b.Delete {
		x.remove(name, room)
	}
	for i := range b.Put {
		x.remove(b.Put[i].Name, room)
	}
	var stored []byte
	for i := range b.Put {
		r := &b.Put[i]
		stored = AppendRecord(stored[:0], r)
		x.add(x.rows.add(r.Name, stored), r)
	}
	x.setMarks(b.Marks)
	for _, id := range b.Unmark {
		delete(x.marks, id) // of no kind that the rules know
	}
	x.commits++
}

// Commits implements Store.
func (x *Index) Commits() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.commits
}

// compact copies what is left in a chunk of rows, and gives that up. It tells
// whether there was one: readers get their turn before the next.
func (x *Index) compact() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.rows.nextWorn()
	if n == 0 {
		return false
	}
	room := new(Room)
	for at := range x.rows.in(n) {
		found := x.rows.at(at)
		hash := x.hashName(found.Name)
		if !x.byName.has(hash, at) {
			continue
		}
		to := x.rows.copy(at)
		x.byName.move(hash, at, to)
		r, _ := found.record(room)
		for key := range r.keys {
			x.byKey.move(x.hashKey(key), at, to)
		}
	}
	x.rows.clear(n)
	return true
}

// Load adds what a backend finds when it opens, in stored form. It presumes
// that the token is not there. An error says that the row is damaged.
func (x *Index) Load(name Name, stored []byte, room *Room) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin()
	at := x.rows.add(name, stored)
	found := x.rows.at(at)
	r, err := decodeRecord(found.Name, found.stored, room)
	if err == nil {
		x.add(at, &r)
	}
	return err
}

// LoadMarks adds marks that a backend finds when it opens.
func (x *Index) LoadMarks(marks []Mark) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.setMarks(marks)
}

// Grow makes room in an empty index for as many tokens, so that Load need not
// make it over and over.
func (x *Index) Grow(tokens int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.byName.grow(tokens)
	x.byKey.grow(tokens)
}

// add has the row in a place found, which is the record's.
func (x *Index) add(at place, r *Record) {
	x.byName.put(x.hashName(r.Name), at)
	for key := range r.keys {
		x.byKey.put(x.hashKey(key), at)
	}
	x.count(r, 1)
}

func (x *Index) remove(name Name, room *Room) {
	at := x.findName(name)
	r, ok := x.record(at, room)
	if !ok {
		return
	}
	x.byName.remove(x.hashName(name), at)
	for key := range r.keys {
		x.byKey.remove(x.hashKey(key), at)
	}
	x.count(&r, -1)
	x.rows.drop(at)
}

// count counts a record among those of its source, and its credentials by what
// they are.
func (x *Index) count(r *Record, by int) {
	n := x.from[r.Source.Dir]
	if n == nil {
		n = new(int)
		x.from[strings.Clone(r.Source.Dir)] = n
	}
	*n += by
	for i := range r.Credentials {
		c := &r.Credentials[i]
		x.countForm(c.Form(), by)
		if c.Opaque || c.Imported() != nil {
			x.opaque += by
		}
	}
}

func (x *Index) countForm(f Form, by int) {
	if f == (Form{}) {
		return
	}
	if x.forms == nil {
		x.forms = make(map[Form]int)
	}
	f.Import = strings.Clone(f.Import)
	if x.forms[f] += by; x.forms[f] == 0 {
		delete(x.forms, f)
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
