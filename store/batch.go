package store

import (
	"errors"
	"slices"
)

// Batch is one conditional commit. It may carry several patches, which then
// become durable together.
type Batch struct {
	// Expect has the revision at which each token was read, 0 where there was
	// none. Every token that is put or deleted must be here; one that was only
	// read may be.
	Expect map[Name]Revision
	Put    []Record
	Delete []Name
	// ExpectMarks is to Marks and Unmark what Expect is to Put and Delete.
	ExpectMarks map[MarkID]Revision
	Marks       []Mark
	Unmark      []MarkID // of kind Kept only
	// Restricts: the batch takes something away, also where that does not show in
	// what it writes, as when it completes a store that replaces another one.
	Restricts bool
	// Entries are empty only where nothing but marks of kind Kept is written,
	// which say no more than what is in the ledger: what is not there does not
	// happen.
	Entries []Entry
}

var (
	errNoEntry    = errors.New("a batch without a ledger entry")
	errBlindWrite = errors.New("a batch writes a token or a mark that it does not expect")
	errTwice      = errors.New("a batch writes a token or a mark twice")
	errKeyless    = errors.New("a batch puts a token without a credential")
	errKind       = errors.New("a batch writes a mark of no known kind")
	errStays      = errors.New("a batch takes back a mark of a kind that stays")
)

// Validate finds batches that no correct program makes.
func (b *Batch) Validate() error {
	if len(b.Entries) == 0 && !b.onlyKept() {
		return errNoEntry
	}
	if err := b.validateTokens(); err != nil {
		return err
	}
	return b.validateMarks()
}

// onlyKept tells whether the batch writes marks of kind Kept and nothing else.
func (b *Batch) onlyKept() bool {
	other := slices.ContainsFunc(b.Marks, func(m Mark) bool { return m.Kind != Kept })
	return !other && len(b.Put)+len(b.Delete) == 0 && len(b.Marks)+len(b.Unmark) > 0
}

func (b *Batch) validateTokens() error {
	written := make(map[Name]bool, len(b.Put)+len(b.Delete))
	for i := range b.Put {
		if len(b.Put[i].Credentials) == 0 {
			return errKeyless
		}
		written[b.Put[i].Name] = true
	}
	for _, name := range b.Delete {
		written[name] = true
	}
	if len(written) < len(b.Put)+len(b.Delete) {
		return errTwice
	}
	for name := range written {
		if _, ok := b.Expect[name]; !ok {
			return errBlindWrite
		}
	}
	return nil
}

func (b *Batch) validateMarks() error {
	written := make(map[MarkID]bool, len(b.Marks))
	for i := range b.Marks {
		id := b.Marks[i].MarkID
		if !id.Kind.Known() {
			return errKind
		}
		if _, ok := b.ExpectMarks[id]; !ok {
			return errBlindWrite
		}
		written[id] = true
	}
	for _, id := range b.Unmark {
		if id.Kind != Kept {
			return errStays
		}
		if _, ok := b.ExpectMarks[id]; !ok {
			return errBlindWrite
		}
		written[id] = true
	}
	if len(written) < len(b.Marks)+len(b.Unmark) {
		return errTwice
	}
	return nil
}

// Size is what the batch takes from Limits.
func (b *Batch) Size() Size {
	s := Size{Writes: len(b.Put) + len(b.Delete) + len(b.Marks) + len(b.Unmark)}
	for i := range b.Put {
		s.Bytes += recordSize(&b.Put[i])
	}
	for _, name := range b.Delete {
		s.Bytes += rowOverhead + len(name.User) + len(name.Name)
	}
	for i := range b.Marks {
		s.Bytes += markSize(&b.Marks[i])
	}
	for _, id := range b.Unmark {
		s.Bytes += rowOverhead + len(id.Key)
	}
	for i := range b.Entries {
		s = s.Add(EntrySize(&b.Entries[i]))
	}
	return s
}
