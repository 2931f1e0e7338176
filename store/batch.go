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
	errTwice      = errors.New("a batch writes a token or a mark twice")
	errKeyless    = errors.New("a batch puts a token without a credential")
	errKind       = errors.New("a batch writes a mark of no known kind")
)

// Validate finds batches that no correct program makes.
func (b *Batch) Validate() error {
	if len(b.Entries) == 0 {
		return errNoEntry
	}
	if err := b.validateTokens(); err != nil {
		return err
	}
	return b.validateMarks()
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
	if len(written) < len(b.Marks) {
		return errTwice
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
