package badgerstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// loadSize is how many tokens go to the index, and to its lock, at once.
const loadSize = 4096

// load reads all tokens into memory, and takes the store for damaged if they
// are not as many as the last commit has left.
func (s *Store) load(ctx context.Context) error {
	if _, err := s.disk.meta(); err != nil { // before recover changes anything
		return err
	}
	if err := s.disk.recover(); err != nil {
		return fmt.Errorf("ending a commit: %w", err)
	}
	m, err := s.disk.meta()
	if err != nil {
		return err
	}
	if err := s.loadTokens(ctx); err != nil {
		return err
	}
	if uint64(s.Len()) != m.tokens {
		return fmt.Errorf("%w: it holds %d tokens instead of %d", ErrDamaged, s.Len(), m.tokens)
	}
	s.Start(s.disk, limits, m.last)
	return nil
}

// meta reads the meta row, which an empty store has not.
func (d *disk) meta() (meta, error) {
	m := meta{format: store.Format}
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get([]byte{metaKind})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return m, nil
	} else if err != nil {
		return m, err
	}
	err = item.Value(func(value []byte) error {
		m, err = decodeMeta(value)
		return err
	})
	return m, err
}

// loadTokens decodes in one goroutine what it reads in another.
func (s *Store) loadTokens(ctx context.Context) error {
	read := make(chan []row, 4)
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(read)
		failed <- s.disk.readTokens(ctx, read)
	}()
	for rows := range read {
		if err := s.decodeTokens(rows); err != nil {
			return err
		}
	}
	return <-failed
}

func (d *disk) readTokens(ctx context.Context, to chan<- []row) error {
	var rows []row
	flush := func() error {
		select {
		case to <- rows:
			rows = make([]row, 0, loadSize)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := d.each(tokenKind, func(r row) error {
		rows = append(rows, r.copy())
		if len(rows) < loadSize {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func (s *Store) decodeTokens(rows []row) error {
	records := make([]store.Record, len(rows))
	for i, r := range rows {
		name, err := decodeTokenKey(r.key)
		if err != nil {
			return err
		}
		if records[i], err = store.DecodeRecord(name, r.value); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	s.Apply(&store.Batch{Put: records})
	return nil
}
