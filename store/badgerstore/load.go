package badgerstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// loadSize is how many rows are read before they are decoded.
const loadSize = 4096

// maxGrow bounds what a count that is wrong can cost.
const maxGrow = 1 << 21

// load reads all tokens and marks into memory, and takes the store for damaged
// if they are not as many as the last commit has left.
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
	s.Grow(min(max(0, m.Tokens), maxGrow))
	if err := s.loadTokens(ctx); err != nil {
		return err
	}
	if err := s.loadMarks(ctx); err != nil {
		return err
	}
	if s.Len() != m.Tokens || s.LenMarks() != m.Marks {
		return fmt.Errorf("%w: it holds %d tokens and %d marks instead of %d and %d",
			ErrDamaged, s.Len(), s.LenMarks(), m.Tokens, m.Marks)
	}
	s.disk.dropPages()
	s.Start(s.disk, limits, m.Count)
	return nil
}

// meta reads the meta row, which an empty store has not.
func (d *disk) meta() (meta, error) {
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	return readMeta(txn)
}

func readMeta(txn *badger.Txn) (meta, error) {
	m := meta{format: store.Format}
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
	room := new(store.Room)
	for rows := range read {
		if err := s.loadRows(rows, room); err != nil {
			cancel()
			return errors.Join(err, <-failed)
		}
	}
	return <-failed
}

func (s *Store) loadRows(rows []row, room *store.Room) error {
	for _, r := range rows {
		name, err := decodeTokenKey(r.key)
		if err != nil {
			return err
		}
		if err := s.Load(name, r.value, room); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return nil
}

func (d *disk) readTokens(ctx context.Context, to chan<- []row) error {
	var rows []row
	var bytes []byte // of all rows, so that there are few things to collect
	flush := func() error {
		if err := ctx.Err(); err != nil { // select would choose at random
			return err
		}
		select {
		case to <- rows:
			rows, bytes = make([]row, 0, loadSize), make([]byte, 0, len(bytes))
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := d.each(tokenKind, func(r row) error {
		start, middle := len(bytes), len(bytes)+len(r.key)
		bytes = append(append(bytes, r.key...), r.value...)
		rows = append(rows, row{bytes[start:middle], bytes[middle:]})
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

func (s *Store) loadMarks(ctx context.Context) error {
	var marks []store.Mark
	err := s.disk.each(markKind, func(r row) error {
		m, err := decodeMark(r)
		if err != nil {
			return err
		}
		marks = append(marks, m)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	s.LoadMarks(marks)
	return nil
}

func decodeMark(r row) (store.Mark, error) {
	id, err := decodeMarkKey(r.key)
	if err != nil {
		return store.Mark{}, err
	}
	m, err := store.DecodeMark(id, r.value)
	if err != nil {
		return store.Mark{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, nil
}
