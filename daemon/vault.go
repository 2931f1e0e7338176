package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/dump"
	"github.com/tokendrop/tokendrop/store/restore"
	"github.com/tokendrop/tokendrop/store/swapstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// restorePath stands in the ledger where a patch has its path.
const restorePath = "restore"

// vault backs the store up, and restores it. Everybody else goes on meanwhile:
// verify answers from the store that there was until the other one takes its
// place, and patches wait.
type vault struct {
	cfg     *config.Config
	keys    keys
	store   *swapstore.Store
	applier *provision.Applier
	log     zerolog.Logger
	// restored is called when tokens are what they were at another time; nil for
	// nobody.
	restored func()
}

// Backup implements admin.Vault.
func (v *vault) Backup(ctx context.Context, to io.Writer) error {
	return v.store.View(ctx, func(view store.View) error {
		_, err := dump.Write(to, time.Now(), view)
		return err
	})
}

// Restore implements admin.Vault. An error that is store.ErrUnknown leaves a
// store that cannot be used any more.
func (v *vault) Restore(ctx context.Context, from *os.File, order admin.Restoring, author string) (admin.Restored, error) {
	f, err := dump.Open(from)
	if err != nil {
		return admin.Restored{}, err
	}
	r := restoring{vault: v, ctx: ctx, sides: restore.Sides{Backup: f, Today: v.store, Exactly: order.Exactly, Wanted: wanted(&order)}}
	var takes space
	if r.sides.Wanted == nil {
		takes, err = spaceOf(v.cfg.Store, f)
	}
	switch {
	case err != nil:
	case order.Rehearse:
		err = r.rehearse()
	case r.sides.Wanted != nil:
		err = r.alone(author, f, r.some)
	default:
		if err = takes.enough(); err == nil {
			err = r.alone(author, f, r.all)
		}
	}
	if err != nil {
		return admin.Restored{}, fmt.Errorf("restoring: %w", err)
	}
	if v.restored != nil && !order.Rehearse {
		v.restored()
	}
	return restored(&f.Summary, r.diff, takes, r.before, !order.Rehearse), nil
}

// wanted tells which tokens are named, nil if all are meant.
func wanted(o *admin.Restoring) func(*store.Record) bool {
	if len(o.Users)+len(o.Keys) == 0 {
		return nil
	}
	return func(rec *store.Record) bool {
		if slices.Contains(o.Users, rec.User) {
			return true
		}
		return slices.ContainsFunc(rec.Keys(), func(key token.Key) bool { return slices.Contains(o.Keys, key) })
	}
}

// restoring is a Restore under way.
type restoring struct {
	*vault

	ctx    context.Context // that of the call
	sides  restore.Sides
	entry  store.Entry
	diff   *restore.Diff
	made   store.Store // that is to take the place
	before string
}

// view calls do with what there is today.
func (r *restoring) view(do func() error) error {
	return r.store.View(r.ctx, func(present store.View) error {
		r.sides.Present = present
		return do()
	})
}

func (r *restoring) rehearse() error {
	return r.view(func() (err error) {
		r.diff, err = r.sides.Compare(time.Now())
		return err
	})
}

// alone calls do while no patch is planned or applied.
func (r *restoring) alone(author string, f *dump.File, do func() error) error {
	return r.applier.Alone(func(own store.Entry) error {
		r.entry = own
		r.entry.Dir, r.entry.Path, r.entry.Author, r.entry.SHA256 = provision.OrderDir, restorePath, author, f.Sum
		return do()
	})
}

// some brings single tokens back.
func (r *restoring) some() error {
	var batch store.Batch
	err := r.view(func() (err error) {
		r.diff, batch, err = r.sides.Only(r.store.Limits(), r.entry)
		return err
	})
	if err != nil {
		return err
	}
	return r.store.Commit(r.ctx, batch)
}

// all makes another store and puts it in the place of today's.
func (r *restoring) all() error {
	return r.store.Exchange(func() (err error) {
		r.made, err = r.make()
		return err
	}, r.replace)
}

// make makes the other store. Nothing of today's is changed.
func (r *restoring) make() (store.Store, error) {
	c, err := besides(r.cfg.Store)
	if err != nil {
		return nil, err
	}
	made, err := openStore(r.ctx, c, r.log)
	if err == nil {
		err = r.fill(made)
	}
	if err != nil {
		return nil, apart(errors.Join(err, giveUp(r.cfg.Store)))
	}
	return made, nil
}

func (r *restoring) fill(made store.Store) error {
	err := r.view(func() (err error) {
		r.diff, err = r.sides.Make(r.ctx, made, r.entry)
		return err
	})
	if err == nil {
		err = r.keys.recognizes(made, r.cfg)
	}
	if err != nil {
		err = errors.Join(err, made.Close())
	}
	return err
}

// apart is an error of another store than today's, of which it tells nothing:
// not that today's is unknown.
func apart(err error) error { return errors.New(err.Error()) }

// replace puts the other store in the place of the old one.
func (r *restoring) replace(old store.Store) (store.Store, error) {
	made := r.made
	r.made = nil // it is large, and read anew where it will be
	onDisk, ok := old.(*badgerstore.Store)
	if !ok {
		return made, old.Close()
	}
	if err := made.Close(); err != nil {
		return nil, apart(errors.Join(err, giveUp(r.cfg.Store)))
	}
	var failed error
	r.before, failed = onDisk.Replace(time.Now())
	now, err := openStore(context.WithoutCancel(r.ctx), r.cfg.Store, r.log)
	if err != nil { // neither of the two can be used
		return nil, fmt.Errorf("%w: %w", store.ErrUnknown, errors.Join(failed, err))
	}
	return now, failed
}

func restored(s *dump.Summary, d *restore.Diff, takes space, before string, done bool) admin.Restored {
	return admin.Restored{
		Time: s.Time, Entries: s.ID, Sum: fmt.Sprintf("%x", s.Sum),
		Revive: group(d.Revive), Add: group(d.Add), Change: group(d.Change), Drop: group(d.Drop),
		Withheld: group(d.Withheld), Lift: group(d.Lift), Same: d.Same,
		Needed: takes.needed, Free: takes.free, Done: done, Before: before,
	}
}

func group(g restore.Group) admin.Group {
	out := admin.Group{Count: g.Count, First: make([]admin.GroupItem, len(g.First))}
	for i, item := range g.First {
		out.First[i] = admin.GroupItem{User: item.User, Name: item.Name.Name, Why: item.Why}
		if !item.Key.IsZero() {
			out.First[i].Key = &item.Key
		}
	}
	return out
}
