package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// disk is the database and the directory that it lies in.
type disk struct {
	hooks
	db     *badger.DB
	path   string
	log    zerolog.Logger
	anchor *anchorFile
	space  *keeper
	stop   func() // of rest
	newest int    // the number of the newest log whose name is known to be durable
}

func openDisk(o Options, h hooks) (*disk, error) {
	path := o.Path
	d := &disk{hooks: h, path: path, log: o.Log}
	measure := func() (uint64, error) { return filesSize(path) }
	stored, err := measure()
	if err != nil {
		return nil, fmt.Errorf("measuring the store: %w", err)
	}
	r, err := openReserve(path, spaceFor(stored), h.allocate)
	if err != nil {
		return nil, fmt.Errorf("opening the store's reserve of space: %w", err)
	}
	d.space = &keeper{path: path, free: h.free, measure: measure, reserve: r, stored: stored}
	if err := d.openBadger(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return d, nil
}

func (d *disk) openBadger() error {
	path := d.path
	if err := d.space.lend(openSpace(d.space.bound())); err != nil {
		return err
	}
	if err := removeUnborn(path); err != nil {
		return fmt.Errorf("removing what an earlier process has begun: %w", err)
	}
	if err := d.syncLogs(); err != nil {
		return fmt.Errorf("syncing what an earlier process has left: %w", err)
	}
	db, err := badger.Open(d.badger)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	d.db = db
	if d.newest, err = newestLog(path); err == nil {
		err = d.sync(path)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// rest takes back what the reserve has given up, when Badger is done with it.
func (d *disk) rest() {
	if !d.space.lent {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	d.stop = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		d.space.takeBackOnce(ctx, d.rests)
	}()
}

// rests tells that Badger has nothing to write out or to merge.
func (d *disk) rests() bool {
	numbers, err := logs(d.path)
	busy := func(l badger.LevelInfo) bool { return l.Adjusted >= 1 }
	return err == nil && len(numbers) <= 1 && !slices.ContainsFunc(d.db.Levels(), busy)
}

// close closes Badger, which writes out what it has in memory.
func (d *disk) close() error {
	if d.stop != nil {
		d.stop()
	}
	_ = d.space.lend(openSpace(d.space.bound())) // what is committed is durable already
	err := d.db.Close()
	d.space.takeBack()
	return errors.Join(err, d.space.reserve.close())
}

// Applied implements serial.Disk.
func (d *disk) Applied(patch store.PatchID) (bool, error) {
	return d.has(entryKey(patch))
}

func (d *disk) has(key []byte) (bool, error) {
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	_, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// need is the free space without which a batch of that size is not begun.
func (d *disk) need(size store.Size) uint64 { return d.space.bound() + writes(size) }

// admit returns ErrUnavailable where there is too little space for a batch.
func (d *disk) admit(size store.Size) error {
	return d.space.begin(writes(size))
}

// Write implements serial.Disk.
func (d *disk) Write(change serial.Change) error {
	size := change.Size()
	size.Bytes += usesSize * len(change.Gone)
	if err := d.admit(size); err != nil {
		return err
	}
	rows, err := rowsOf(change)
	if err != nil {
		return err
	}
	forgotten, err := d.forget(change.Gone)
	if err != nil {
		return err
	}
	if err := d.space.try(func() error { return d.announce(&change) }); err != nil {
		return err
	}
	if err := d.write(append(rows, forgotten...), d.stage); err != nil {
		return err
	}
	if err := d.anchor.put(Anchor{change.Count}); err != nil { // it is late, as after a crash
		d.log.Warn().Err(err).Msg("a store that loses its last changes would not be noticed")
	}
	return nil
}

// announce writes to the anchor before Badger is written to, which a file system
// that has stopped taking writes ends with a signal instead of an error.
func (d *disk) announce(change *serial.Change) error {
	if change.Count.Restricted == change.Count.Head.ID && len(change.Entries) > 0 {
		return d.anchor.announce(change.Count.Restricted)
	}
	return d.anchor.write(d.anchor.now)
}

// write writes rows in one transaction, or by large if they do not fit into
// one.
func (d *disk) write(rows []row, large func([]row) error) error {
	err := d.transact(rows)
	if errors.Is(err, badger.ErrTxnTooBig) {
		err = unknown(large(rows))
	}
	return err
}

// transact writes rows in one transaction. It returns ErrTxnTooBig if they do
// not fit, and nothing was written; an error of the commit is ErrUnknown,
// because Badger does not say how far it came.
func (d *disk) transact(rows []row) error {
	txn := d.db.NewTransaction(true)
	defer txn.Discard()
	for _, r := range rows {
		if err := r.write(txn); err != nil {
			return err
		}
	}
	return unknown(d.flush(txn.Commit))
}

// flush calls commit, which hands rows to Badger and waits until they are
// durable.
func (d *disk) flush(commit func() error) error {
	if err := d.fault(); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return err
	}
	if err := d.syncNames(); err != nil {
		return err
	}
	return d.fault()
}

// writer is what a transaction and a write batch of Badger have in common.
type writer interface {
	Set(key, value []byte) error
	Delete(key []byte) error
}

func (r row) write(w writer) error {
	if r.value == nil {
		return w.Delete(r.key)
	}
	return w.Set(r.key, r.value)
}

func unknown(err error) error {
	if err == nil || errors.Is(err, store.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnknown, err)
}

// syncNames makes the names of new logs durable. Badger syncs what is in a
// log, but not the directory, and begins a new one when a memtable is full.
func (d *disk) syncNames() error {
	newest, err := newestLog(d.path)
	if err != nil || newest == d.newest {
		return err
	}
	d.newest = newest
	d.dropPages() // a memtable was full, so there are new tables, or merged ones
	return d.sync(d.path)
}
