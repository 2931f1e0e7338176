// Package swapstore is a store whose content can be exchanged for another
// store's while it is read.
//
// Invariants:
//
//  1. A reader sees one store or the other. Whoever looks something up never
//     waits for an exchange.
//  2. While an exchange is prepared nothing is written to the store that is to
//     go: Commit and RecordUses answer store.ErrUnavailable.
//  3. The store that goes is not used any more when Exchange returns.
//
// A plan that was made over the one store must not be committed to the other:
// who exchanges has to keep planners away meanwhile, because revisions may be
// the same by chance.
package swapstore

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// errExchange is why nothing can be written.
var errExchange = fmt.Errorf("%w: a backup is being restored", store.ErrUnavailable)

// Store is a store.Store. New makes one.
type Store struct {
	now    atomic.Pointer[content]
	frozen atomic.Bool
	use    sync.RWMutex // held for reading by whoever uses more of a store than its memory

	// Committed is called after each commit that was stored; nil for nobody. It
	// must not wait.
	Committed func()
}

var _ store.Store = (*Store)(nil)

// New makes a Store with that content.
func New(st store.Store) *Store {
	s := new(Store)
	s.now.Store(&content{Store: st})
	return s
}

// content is a store with what Commits counted before it was there.
type content struct {
	store.Store

	commits uint64
}

func (s *Store) store() store.Store { return s.now.Load().Store }

// drain returns when whoever writes has come to an end.
func (s *Store) drain() {
	s.use.Lock()
	defer s.use.Unlock()
}

// Exchange lets nothing be written while prepare works, and then replaces the
// store by what replace returns, which is called while nobody uses more of the
// old one than its memory. If either fails the old store stays, unless replace
// returns a store beside its error.
func (s *Store) Exchange(prepare func() error, replace func(old store.Store) (store.Store, error)) error {
	s.frozen.Store(true)
	defer s.frozen.Store(false)
	s.drain()
	if err := prepare(); err != nil {
		return err
	}
	s.use.Lock()
	defer s.use.Unlock()
	st, err := replace(s.store())
	if st != nil {
		s.now.Store(&content{st, s.Commits() + 1})
	}
	return err
}

// ByKey implements store.Reader.
func (s *Store) ByKey(key token.Key) (store.Record, bool) { return s.store().ByKey(key) }

// ByName implements store.Reader.
func (s *Store) ByName(name store.Name) (store.Record, bool) { return s.store().ByName(name) }

// OfUser implements store.Reader.
func (s *Store) OfUser(user string) []store.Record { return s.store().OfUser(user) }

// NamesOf implements store.Reader.
func (s *Store) NamesOf(users map[string]bool) map[string][]string { return s.store().NamesOf(users) }

// CountFrom implements store.Reader.
func (s *Store) CountFrom(dir string) int { return s.store().CountFrom(dir) }

// Mark implements store.Reader.
func (s *Store) Mark(id store.MarkID) (store.Mark, bool) { return s.store().Mark(id) }

// Lookup implements store.Store.
func (s *Store) Lookup(key token.Key, f *store.Found) { s.store().Lookup(key, f) }

// HasOpaque implements store.Store.
func (s *Store) HasOpaque() bool { return s.store().HasOpaque() }

// Revoked implements store.Store.
func (s *Store) Revoked(key token.Key, user string) bool { return s.store().Revoked(key, user) }

// Tokens implements store.Store.
func (s *Store) Tokens() iter.Seq[store.Record] { return s.store().Tokens() }

// Walk implements store.Store.
func (s *Store) Walk(visit func(*store.Record, store.Rule)) { s.store().Walk(visit) }

// Forms implements store.Store.
func (s *Store) Forms() map[store.Form]int { return s.store().Forms() }

// Marks implements store.Store.
func (s *Store) Marks() iter.Seq[store.Mark] { return s.store().Marks() }

// Limits implements store.Store.
func (s *Store) Limits() store.Limits { return s.store().Limits() }

// Writable implements store.Store.
func (s *Store) Writable() error {
	if s.frozen.Load() {
		return errExchange
	}
	return s.store().Writable()
}

// Commits implements store.Store. An exchange counts as one.
func (s *Store) Commits() uint64 {
	now := s.now.Load()
	return now.commits + now.Store.Commits()
}

// Len implements store.Store.
func (s *Store) Len() int { return s.store().Len() }

// Head implements store.Store.
func (s *Store) Head() store.Head { return s.store().Head() }

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, batch store.Batch) error {
	err := s.write(func(st store.Store) error { return st.Commit(ctx, batch) })
	if err == nil && s.Committed != nil {
		s.Committed()
	}
	return err
}

// RecordUses implements store.Store.
func (s *Store) RecordUses(ctx context.Context, used []store.Used) error {
	return s.write(func(st store.Store) error { return st.RecordUses(ctx, used) })
}

// write calls do with the store, unless it is about to go.
func (s *Store) write(do func(store.Store) error) error {
	s.use.RLock()
	defer s.use.RUnlock()
	if s.frozen.Load() {
		return errExchange
	}
	return do(s.store())
}

// Uses implements store.Store.
func (s *Store) Uses(ctx context.Context) (map[store.TokenID]store.Uses, error) {
	s.use.RLock()
	defer s.use.RUnlock()
	return s.store().Uses(ctx)
}

// Entry implements store.Store.
func (s *Store) Entry(ctx context.Context, patch store.PatchID) (store.Entry, bool, error) {
	s.use.RLock()
	defer s.use.RUnlock()
	return s.store().Entry(ctx, patch)
}

// Ledger implements store.Store.
func (s *Store) Ledger(ctx context.Context) iter.Seq2[store.Entry, error] {
	return s.entries(func(st store.Store) iter.Seq2[store.Entry, error] { return st.Ledger(ctx) })
}

// Latest implements store.Store.
func (s *Store) Latest(ctx context.Context) iter.Seq2[store.Entry, error] {
	return s.entries(func(st store.Store) iter.Seq2[store.Entry, error] { return st.Latest(ctx) })
}

func (s *Store) entries(of func(store.Store) iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		s.use.RLock()
		defer s.use.RUnlock()
		for n, err := range of(s.store()) {
			if !yield(n, err) {
				return
			}
		}
	}
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, do func(store.View) error) error {
	s.use.RLock()
	defer s.use.RUnlock()
	return s.store().View(ctx, do)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.use.Lock()
	defer s.use.Unlock()
	return s.store().Close()
}
