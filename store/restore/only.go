package restore

import (
	"fmt"

	"github.com/tokendrop/tokendrop/store"
)

// Only plans to bring the wanted tokens back into the store of today, by one
// commit. They keep the number that they have there today, and
// get a new one if they are gone: with them the count of their uses begins anew.
func (s *Sides) Only(limits store.Limits, entry store.Entry) (*Diff, store.Batch, error) {
	diff, err := s.Compare(entry.Time)
	if err != nil {
		return nil, store.Batch{}, err
	}
	draft := store.NewDraft(s.Today)
	for rec, err := range s.records() {
		if err != nil {
			return nil, store.Batch{}, err
		}
		if err := s.putBack(draft, rec); err != nil {
			return nil, store.Batch{}, err
		}
	}
	diff.complete(&entry)
	batch := draft.Batch([]store.Entry{entry})
	if !limits.Allows(batch.Size()) {
		return nil, store.Batch{}, fmt.Errorf("%w; restore fewer tokens at a time, or all of the backup", store.ErrTooLarge)
	}
	return diff, batch, nil
}

// putBack puts a token as it was.
func (s *Sides) putBack(draft *store.Draft, rec store.Record) error {
	now, there := draft.ByName(rec.Name)
	switch {
	case there && same(&now, &rec):
		return nil
	case there && s.another(&now, &rec):
		return fmt.Errorf("another token has the name of %s now, with the key %s: delete or rename that one first, or leave this one out", rec.Key(), now.Key())
	}
	rec.ID = now.ID
	for _, key := range rec.Keys() {
		if other, taken := draft.ByKey(key); taken && other.Name != rec.Name {
			return fmt.Errorf("the key %s belongs to another token now: delete that one first, or leave this one out", key)
		}
	}
	draft.Put(rec)
	return nil
}
