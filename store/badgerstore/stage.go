package badgerstore

import (
	"github.com/dgraph-io/badger/v4"

	"github.com/tokendrop/tokendrop/store"
)

// stage commits rows that do not fit into one transaction; the package comment
// has its steps.
func (d *disk) stage(rows []row) error {
	err := d.writeAll(func(put func(row) error) error {
		for _, r := range rows {
			if err := put(r.staged()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.transact([]row{{commitKey, []byte{stagedPut}}}); err != nil {
		return err
	}
	return d.finish()
}

var commitKey = []byte{commitKind}

// recover takes the steps that were left when the process ended.
func (d *disk) recover() error {
	committed, err := d.has(commitKey)
	if err != nil {
		return err
	}
	if !committed {
		return d.dropStaged()
	}
	size := store.Size{}
	err = d.each(stagedKind, func(staged row) error {
		size.Bytes += len(staged.key) + len(staged.value)
		return nil
	})
	if err == nil {
		err = d.space.lend(d.need(size))
	}
	if err != nil {
		return err
	}
	return d.finish()
}

// finish takes the steps after the commit. Each may be taken again.
func (d *disk) finish() error {
	err := d.writeAll(func(put func(row) error) error {
		return d.each(stagedKind, func(staged row) error {
			r, err := decodeStaged(staged)
			if err != nil {
				return err
			}
			return put(r)
		})
	})
	if err != nil {
		return err
	}
	if err := d.transact([]row{{key: commitKey}}); err != nil {
		return err
	}
	return d.dropStaged()
}

func (d *disk) dropStaged() error {
	return d.writeAll(func(put func(row) error) error {
		return d.each(stagedKind, func(staged row) error {
			return put(row{key: staged.copy().key})
		})
	})
}

// writeAll writes the rows that source puts, in as many transactions as they
// need, and returns when all of them are durable.
func (d *disk) writeAll(source func(put func(row) error) error) error {
	w := d.db.NewWriteBatch()
	defer w.Cancel()
	err := source(func(r row) error { return r.write(w) })
	if err != nil {
		return err
	}
	return d.flush(w.Flush)
}

// each calls do with every row of a kind, which is good until do returns.
func (d *disk) each(kind byte, do func(row) error) error {
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	return eachIn(txn, kind, do)
}

func eachIn(txn *badger.Txn, kind byte, do func(row) error) error {
	it := rowsIn(txn, kind)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		err := item.Value(func(value []byte) error { return do(row{item.Key(), value}) })
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsIn goes through the rows of a kind. Values lie beside the keys, there is
// nothing to fetch ahead.
func rowsIn(txn *badger.Txn, kind byte) *badger.Iterator {
	return txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
}
