package badgerstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// usesSize is more than what a row of uses takes, of a token with two
// credentials.
const usesSize = 192

// forget has the rows that delete what is remembered of tokens' uses. There is
// nothing to delete of most tokens, and a row that deletes is a row.
func (d *disk) forget(gone []store.TokenID) ([]row, error) {
	var rows []row
	for _, id := range gone {
		used, err := d.has(usesKey(id))
		if err != nil {
			return nil, fmt.Errorf("looking for a token's uses: %w", err)
		}
		if used {
			rows = append(rows, row{key: usesKey(id)})
		}
	}
	return rows, nil
}

// ReadUses implements serial.Disk.
func (d *disk) ReadUses(id store.TokenID) (store.Uses, error) {
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	value, err := get(txn, usesKey(id))
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
		return store.Uses{}, err
	}
	return decodeUses(value)
}

func decodeUses(value []byte) (store.Uses, error) {
	u, err := store.DecodeUses(value)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return u, err
}

// WriteUses implements serial.Disk.
func (d *disk) WriteUses(uses map[store.TokenID]store.Uses) error {
	if err := d.admit(store.Size{Bytes: usesSize * len(uses)}); err != nil {
		return err
	}
	if err := d.space.try(func() error { return d.anchor.write(d.anchor.now) }); err != nil {
		return err
	}
	rows := make([]row, 0, len(uses))
	for id, u := range uses {
		rows = append(rows, row{usesKey(id), store.AppendUses(nil, &u)})
	}
	return d.write(rows, d.writeEach)
}

// writeEach writes rows, each of which counts by itself.
func (d *disk) writeEach(rows []row) error {
	return d.writeAll(func(put func(row) error) error {
		for _, r := range rows {
			if err := put(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// Uses implements store.Store.
func (s *Store) Uses(ctx context.Context) (map[store.TokenID]store.Uses, error) {
	all := make(map[store.TokenID]store.Uses)
	err := s.view(func(txn *badger.Txn) error {
		return eachIn(txn, usesKind, func(r row) error {
			id, err := decodeUsesKey(r.key)
			if err != nil {
				return err
			}
			if all[id], err = decodeUses(r.value); err != nil {
				return err
			}
			return ctx.Err()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading uses: %w", err)
	}
	return all, nil
}
