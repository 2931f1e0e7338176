package restore

import (
	"context"
	"iter"
	"math"

	"github.com/tokendrop/tokendrop/store"
)

// What a commit to the new store takes, or little more: one of Badger's
// transactions.
const (
	batchWrites = 2000
	batchBytes  = 512 << 10
	// usesBatch is how many uses are stored in one go.
	usesBatch = 2000
)

// goneNumber is a credential's number that no token has: uses of it count among
// those of credentials that are gone.
const goneNumber = math.MaxUint64

// build fills an empty store. Tokens and marks are spread over the entries of the
// ledger, each of which once came with as many as a commit can hold.
func (s *Sides) build(ctx context.Context, to store.Store, last store.Entry) error {
	entries, err := s.countEntries()
	if err != nil {
		return err
	}
	next, stop := iter.Pull2(s.rows())
	defer stop()
	b := builder{ctx: ctx, to: to, next: next, rows: s.Backup.Totals().Records + uint64(len(s.marks)), entries: entries + 1}
	for n, err := range s.entries() {
		if err != nil {
			return err
		}
		if err := b.add(n); err != nil {
			return err
		}
	}
	b.batch.Restricts = true // what the other store had, and this one has not
	if err := b.add(last); err != nil {
		return err
	}
	if err := b.commit(); err != nil {
		return err
	}
	return s.buildUses(ctx, to)
}

// item is a token or a mark.
type item struct {
	rec  *store.Record
	mark store.Mark
}

// rows yields all tokens and marks that the new store gets.
func (s *Sides) rows() iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for rec, err := range s.records() {
			if !yield(item{rec: &rec}, err) || err != nil {
				return
			}
		}
		for id, value := range s.marks {
			if !yield(item{mark: store.Mark{MarkID: id, Value: value}}, nil) {
				return
			}
		}
	}
}

// builder spreads rows evenly over entries.
type builder struct {
	ctx     context.Context
	to      store.Store
	next    func() (item, error, bool)
	rows    uint64 // at most
	entries uint64

	begun uint64 // entries so far
	taken uint64 // rows so far
	batch store.Batch
	size  store.Size
}

// add adds an entry with its share of rows.
func (b *builder) add(n store.Entry) error {
	b.batch.Entries = append(b.batch.Entries, n)
	b.size = b.size.Add(store.EntrySize(&n))
	b.begun++
	share := b.rows / b.entries * b.begun
	share += b.rows % b.entries * b.begun / b.entries
	for ; b.taken < share; b.taken++ {
		row, err, ok := b.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		b.put(row)
	}
	if b.size.Writes < batchWrites && b.size.Bytes < batchBytes {
		return nil
	}
	return b.commit()
}

func (b *builder) put(row item) {
	if b.batch.Expect == nil {
		b.batch.Expect, b.batch.ExpectMarks = make(map[store.Name]store.Revision), make(map[store.MarkID]store.Revision)
	}
	one := store.Batch{Marks: []store.Mark{row.mark}}
	if row.rec != nil {
		one = store.Batch{Put: []store.Record{*row.rec}}
		b.batch.Expect[row.rec.Name] = 0
		b.batch.Put = append(b.batch.Put, *row.rec)
	} else {
		b.batch.ExpectMarks[row.mark.MarkID] = 0
		b.batch.Marks = append(b.batch.Marks, row.mark)
	}
	b.size = b.size.Add(one.Size())
}

func (b *builder) commit() error {
	if len(b.batch.Entries) == 0 {
		return nil
	}
	err := b.to.Commit(b.ctx, b.batch)
	b.batch, b.size = store.Batch{}, store.Size{}
	return err
}

// buildUses stores what is remembered of uses: today's, and the backup's of
// tokens that are not there today. If the two stores have gone apart, the
// backup's: what is called alike is not the same.
func (s *Sides) buildUses(ctx context.Context, to store.Store) error {
	uses := make(map[store.TokenID]store.Uses)
	views := []store.View{s.Backup}
	if s.continues && s.Present != nil {
		views = append(views, s.Present)
	}
	for _, v := range views {
		for u, err := range v.Uses() {
			if err != nil {
				return err
			}
			uses[u.ID] = u.Uses
		}
	}
	var used []store.Used
	for rec := range to.Tokens() {
		used = appendUsed(used, &rec, uses[rec.ID])
		if len(used) < usesBatch {
			continue
		}
		if err := to.RecordUses(ctx, used); err != nil {
			return err
		}
		used = used[:0]
	}
	return to.RecordUses(ctx, used)
}

func appendUsed(used []store.Used, rec *store.Record, uses store.Uses) []store.Used {
	one := store.Used{Token: rec.ID, Name: rec.Name, Key: rec.Key()}
	for _, one.CredentialUse = range uses.Credentials {
		used = append(used, one)
	}
	if uses.Gone != (store.Use{}) {
		one.CredentialUse = store.CredentialUse{Number: goneNumber, Use: uses.Gone}
		used = append(used, one)
	}
	return used
}
