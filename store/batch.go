package store

import "errors"

// Batch is one conditional commit. It may carry several patches, which then
// become durable together.
type Batch struct {
	// Expect has the revision at which each token was read, 0 where there was
	// none. Every token that is put or deleted must be here; one that was only
	// read may be.
	Expect map[Name]Revision
	Put    []Record
	Delete []Name
	// ExpectMarks is to Marks what Expect is to Put.
	ExpectMarks map[MarkID]Revision
	Marks       []Mark
	// Entries is never empty: what is not in the ledger does not happen.
	Entries []Entry
}

var (
	errNoEntry    = errors.New("a batch without a ledger entry")
	errBlindWrite = errors.New("a batch writes a token or a mark that it does not expect")
)

// Validate finds batches that no correct program makes.
func (b *Batch) Validate() error {
	if len(b.Entries) == 0 {
		return errNoEntry
	}
	for i := range b.Put {
		if _, ok := b.Expect[b.Put[i].Name]; !ok {
			return errBlindWrite
		}
	}
	for _, name := range b.Delete {
		if _, ok := b.Expect[name]; !ok {
			return errBlindWrite
		}
	}
	for i := range b.Marks {
		if _, ok := b.ExpectMarks[b.Marks[i].MarkID]; !ok {
			return errBlindWrite
		}
	}
	return nil
}

// Size is what the batch takes from Limits.
func (b *Batch) Size() Size {
	s := Size{Writes: len(b.Put) + len(b.Delete) + len(b.Marks)}
	for i := range b.Put {
		s.Bytes += recordSize(&b.Put[i])
	}
	for _, name := range b.Delete {
		s.Bytes += rowOverhead + len(name.User) + len(name.Name)
	}
	for i := range b.Marks {
		s.Bytes += markSize(&b.Marks[i])
	}
	for i := range b.Entries {
		s = s.Add(EntrySize(&b.Entries[i]))
	}
	return s
}
