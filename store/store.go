// Package store keeps tokens and the ledger of patches. It states the
// contract that every backend keeps; the suite in store/storetest checks it.
//
// A change is made in three steps: read, plan without side effects, and one
// conditional commit. There is no transaction closure, so that a local
// database and a remote one that serializes can mean the same.
//
// Invariants, for every Store:
//
//  1. Atomic. Commit applies a whole Batch, its tokens, its marks and all of
//     its ledger entries, or nothing of it. A batch without an entry writes or
//     takes back marks of kind Kept, and nothing else. A reader never sees a part: once
//     one token or mark of a batch is seen changed, all of them are.
//  2. Durable on return. When Commit returns nil, the batch survives kill -9
//     and loss of power (store/memstore excepted, which says so).
//  3. Readers are answered from memory, and see only what is durable.
//  4. Conditional. Each token and mark that a batch writes is expected at the
//     revision at which the plan read it, or expected absent. One that is
//     elsewhere by now fails the whole batch with ErrConflict. So does one
//     that was only read, if the batch expects it.
//  5. A key belongs to one token at most, and so does a user with a name. This
//     holds for the former keys of credentials too.
//  6. Exactly once. A patch has at most one ledger entry: a batch with an
//     entry of a patch that already has one fails with ErrApplied. A commit
//     that arrives late and its retry can therefore not both win.
//  7. Entries are numbered from 1 without gaps, in the order of commits and,
//     within a batch, in the order in which it lists them.
//  8. An error says what is on disk. ErrUnknown: nobody can know; the Store
//     refuses every later Commit with ErrUnknown, and only opening it anew
//     tells. Any other error: nothing of the batch, now or later.
//  9. Methods may be called from several goroutines.
//  10. What is remembered of a token's uses lies beside its record, under its
//     TokenID: to record uses changes no revision, is in no ledger, and meets no
//     ErrConflict. It stays with a token that is renamed or gets other
//     credentials, goes with one that is deleted, and no later token has it.
//  11. The ledger is a chain: Head covers every entry, so that one that was
//     changed, taken away or put in between shows in it.
//
// Records handed out share memory with the store and are never changed by
// anybody: whoever wants another record makes one.
package store

import (
	"context"
	"errors"
	"iter"

	"github.com/tokendrop/tokendrop/store/token"
)

// Format is the number of the stored form. A Store that finds another one in
// its files refuses to open them.
const Format = 1

// What Commit may return; see invariant 8.
var (
	// ErrConflict: a token or a mark is not at the revision the plan has read,
	// or a key has found another owner. Read and plan again.
	ErrConflict = errors.New("the store has changed since it was read")
	// ErrApplied: a patch of the batch has its ledger entry already.
	ErrApplied = errors.New("the patch is in the ledger already")
	// ErrTooLarge: the batch is over Limits, and will ever be.
	ErrTooLarge = errors.New("the change is too large for one transaction of the store")
	// ErrUnavailable: the store cannot write for now, as with a full disk.
	ErrUnavailable = errors.New("the store cannot be written to at the moment")
	// ErrUnknown: the batch may have been stored or not.
	ErrUnknown = errors.New("it is not known whether the change was stored")
)

// Reader answers from memory with what is durable.
type Reader interface {
	// ByKey finds the token that has a credential with that key, or had it
	// before the credential became native.
	ByKey(token.Key) (Record, bool)
	// ByName finds the token of that user and name.
	ByName(Name) (Record, bool)
	// OfUser lists all tokens of a user, ordered by name.
	OfUser(user string) []Record
	// NamesOf lists the names of all tokens of some users, in no particular order,
	// in the time that OfUser takes for one of them.
	NamesOf(users map[string]bool) map[string][]string
	// CountFrom counts the tokens whose source is a drop directory. A commit
	// does not expect it to be what it was.
	CountFrom(dir string) int
	// Mark finds a mark. One that is not there has the zero Revision.
	Mark(MarkID) (Mark, bool)
}

// Store is a backend.
type Store interface {
	Reader

	// Lookup finds what ByKey finds, and what is said about its user, both at
	// one moment. Of several rules that match the user the one with the most
	// specific pattern holds. What the Found had before is gone.
	Lookup(token.Key, *Found)

	// Revoked tells whether a key was revoked, for everybody or for that user.
	Revoked(key token.Key, user string) bool

	// Tokens yields every token, in no particular order, as they were at one
	// moment.
	Tokens() iter.Seq[Record]

	// Walk visits every token, with what is said about its user. What is
	// committed meanwhile may be visited as it was or as it is, and a token that
	// gets another name also twice or never. The record and what is in it are the
	// next visit's as soon as this one returns.
	Walk(visit func(*Record, Rule))

	// HasOpaque tells whether there is any credential of an opaque token, or of
	// another product's: if there is none, no such token need be looked for.
	HasOpaque() bool

	// Forms counts the credentials that are kept in each form but the plain one.
	Forms() map[Form]int

	// Marks yields every mark, in no particular order, as they were at one
	// moment.
	Marks() iter.Seq[Mark]

	// Len counts the tokens, in no time.
	Len() int

	// Commits counts the batches that readers have come to see since the store was
	// opened: as long as it stays the same, so do all tokens and marks.
	Commits() uint64

	// Commit stores a batch. It sets the revisions of the records and marks,
	// the numbers of the entries, and the TokenIDs of new tokens itself.
	Commit(ctx context.Context, batch Batch) error

	// RecordUses adds to what is remembered of uses. Those of tokens that are
	// gone are left out. Of several tokens some may be stored and others not
	// when the error is ErrUnknown; after any other error nothing is.
	RecordUses(ctx context.Context, used []Used) error

	// Uses reads what is remembered of uses, of every token that was used.
	Uses(ctx context.Context) (map[TokenID]Uses, error)

	// Entry finds the ledger entry of a patch.
	Entry(ctx context.Context, patch PatchID) (Entry, bool, error)

	// Head is the end of the ledger. Ledgers with equal heads are equal.
	Head() Head

	// Ledger yields all entries in ascending order of their numbers. An error at
	// its end says that they are not those that were stored.
	Ledger(ctx context.Context) iter.Seq2[Entry, error]

	// Latest yields the entries of patches in descending order of their PatchIDs,
	// which is nearly that of their numbers, in time that does not grow with the
	// ledger.
	Latest(ctx context.Context) iter.Seq2[Entry, error]

	// View calls do with all that the store holds at this moment. Who reads and who
	// commits meanwhile does not wait for it; Close does.
	View(ctx context.Context, do func(View) error) error

	// Writable tells why the store is ErrUnavailable for commits at the moment, nil
	// if it is not. It waits for none.
	Writable() error

	// Limits are the bounds of one batch, to be consulted while planning.
	Limits() Limits

	// Close gives up the files. Readers stay usable.
	Close() error
}

// Limits bound a Batch.
type Limits struct {
	Writes int // records put and deleted, marks, and ledger entries
	Bytes  int // their size as Size counts it
}

// Allows tells whether a batch of that size can be committed.
func (l Limits) Allows(size Size) bool {
	return size.Writes <= l.Writes && size.Bytes <= l.Bytes
}

// Size is what a batch takes from Limits.
type Size struct{ Writes, Bytes int }

// Add returns the size of both together.
func (s Size) Add(o Size) Size { return Size{s.Writes + o.Writes, s.Bytes + o.Bytes} }
