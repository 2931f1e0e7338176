package store

import (
	"fmt"

	"github.com/tokendrop/tokendrop/store/token"
)

// Check tests the preconditions of a batch against what is durable: its
// expectations, and that each key has one owner. It returns ErrConflict.
// Backends that write alone hold a lock from Check to Apply.
func (x *Index) Check(b *Batch) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	room := new(Room)
	for name, want := range b.Expect {
		r, _ := x.record(x.findName(name), room)
		if have := r.Revision; have != want {
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
	var found row
	for i := range b.Put {
		for _, key := range b.Put[i].Keys() {
			owner := x.findKey(key, &found)
			by, twice := taken[key]
			if twice && by != b.Put[i].Name || owner != 0 && !written[found.Name] {
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
	room := new(Room)
	look := func(name Name) {
		if r, ok := x.record(x.findName(name), room); ok && !stays[r.ID] {
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
