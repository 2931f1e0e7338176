package restore

import (
	"iter"

	"github.com/tokendrop/tokendrop/store"
)

// compareLedgers finds out which of the two, if any, goes on where the other one
// ends.
func (s *Sides) compareLedgers() error {
	s.continues, s.longer = true, s.Backup
	if s.Present == nil {
		return nil
	}
	short := s.Present
	if s.Present.Totals().ID >= s.Backup.Totals().ID {
		short, s.longer = s.Backup, s.Present
	}
	var err error
	s.continues, err = begins(s.longer, short.Totals().Head)
	return err
}

// begins tells whether a ledger begins with the one that has that head.
func begins(v store.View, with store.Head) (bool, error) {
	var head store.Head
	if head == with || v.Totals().Head == with {
		return true, nil
	}
	for n, err := range v.Entries() {
		if err != nil {
			return false, err
		}
		if head = head.Next(&n); head.ID == with.ID {
			return head == with, nil
		}
	}
	return false, nil
}

// entries yields the ledger of the new store. Where two stores have gone apart
// the backup's comes first, and then what only today's has.
func (s *Sides) entries() iter.Seq2[store.Entry, error] {
	if s.continues {
		return s.longer.Entries()
	}
	return func(yield func(store.Entry, error) bool) {
		seen := make(map[store.PatchID]struct{})
		for _, v := range []store.View{s.Backup, s.Present} {
			for n, err := range v.Entries() {
				if _, twice := seen[n.Patch]; twice && err == nil {
					continue
				}
				seen[n.Patch] = struct{}{}
				if !yield(n, err) || err != nil {
					return
				}
			}
		}
	}
}

// countEntries is how many entries there are.
func (s *Sides) countEntries() (n uint64, err error) {
	if s.continues {
		return s.longer.Totals().ID, nil
	}
	for _, err := range s.entries() {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
