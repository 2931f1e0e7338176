package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/dump"
	"github.com/tokendrop/tokendrop/store/restore"
)

// ErrDamaged says that the store cannot be opened, and can be made anew of a
// backup by Salvage.
var ErrDamaged = badgerstore.ErrDamaged

// adviseDamaged says what mends a store that cannot be opened.
func adviseDamaged(path string, err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	if !mayRead(path) { // another user has opened it since
		return fmt.Errorf("%w; nothing is lost: give all of it to the user that the daemon runs as, with \"chown -R USER: %s*\"", err, path)
	}
	backup := "FILE\" makes it anew of a backup"
	if _, failed := os.Lstat(SnapshotPath(path)); failed == nil {
		backup = SnapshotPath(path) + "\" makes it anew of the snapshot beside it"
	}
	err = fmt.Errorf("%w; \"tokendrop restore %s", err, backup)
	unmoored, ok := errors.AsType[*badgerstore.UnmooredError](err)
	if !ok {
		return err
	}
	left := "everything is gone then"
	if unmoored.Last > 0 {
		left = fmt.Sprintf("what is gone stays so, and the store goes on from entry %d", unmoored.Last)
	}
	return fmt.Errorf("%w; to go on without that, remove %s: %s", err, unmoored.Anchor, left)
}

// mayRead tells whether all files of a store can be opened, as far as their owners
// and modes go. Badger's errors do not tell.
func mayRead(path string) bool {
	files, err := os.ReadDir(path)
	for _, file := range files {
		if errors.Is(err, fs.ErrPermission) {
			break
		}
		var f *os.File
		if f, err = os.Open(filepath.Join(path, file.Name())); err == nil {
			err = f.Close()
		}
	}
	return !errors.Is(err, fs.ErrPermission)
}

var (
	errOutdated = errors.New("it is older than the last change that took a right away from the store, so that tokens which were revoked, deleted, disabled or blocked since would be good again. " +
		"Use a later backup; or restore it with --exactly knowing that, and drop the manifests again that took rights away")
	errNoAnchor = errors.New("it is not known whether rights were taken away from the store since, because what should tell that cannot be read. " +
		"If none were, or their manifests are dropped again, restore it with --exactly")
	errSome = errors.New("the store cannot be read, so that only all of a backup can be restored")
)

// Salvage makes a store of a backup where there is one that cannot be opened,
// which is put aside, and no daemon. It becomes the store's owner; the caller
// calls the returned function when done.
func Salvage(cfg *config.Config, log zerolog.Logger) (Salvager, func() error, error) {
	keys, err := readKeys(cfg)
	if err != nil {
		return Salvager{}, nil, err
	}
	author := patches.UserName(uint32(os.Getuid()))
	regain, err := becomeOwner(cfg.Store.Path)
	if err != nil {
		return Salvager{}, nil, err
	}
	return Salvager{cfg, keys, author, log}, regain, nil
}

// Salvager restores a store that cannot be opened.
type Salvager struct {
	cfg    *config.Config
	keys   keys
	author string
	log    zerolog.Logger
}

// Restore is that of an admin.Service.
func (s Salvager) Restore(ctx context.Context, from *os.File, order admin.Restoring) (admin.Restored, error) {
	f, err := dump.Open(from)
	if err == nil {
		err = s.admits(f, &order)
	}
	if err != nil {
		return admin.Restored{}, fmt.Errorf("restoring the backup: %w", err)
	}
	sides := restore.Sides{Backup: f, Exactly: order.Exactly}
	takes, err := spaceOf(s.cfg.Store, f)
	if err != nil {
		return admin.Restored{}, err
	}
	if order.Rehearse {
		diff, err := sides.Compare(time.Now())
		if err != nil {
			return admin.Restored{}, err
		}
		return restored(&f.Summary, diff, takes, "", false), nil
	}
	var diff *restore.Diff
	before := ""
	if err = takes.enough(); err == nil {
		diff, before, err = s.rebuild(ctx, &sides, f)
	}
	if err != nil {
		return admin.Restored{}, fmt.Errorf("restoring the backup: %w", err)
	}
	return restored(&f.Summary, diff, takes, before, true), nil
}

// admits refuses a backup that could give back what was taken away.
func (s Salvager) admits(f *dump.File, order *admin.Restoring) error {
	if wanted(order) != nil {
		return errSome
	}
	if order.Exactly {
		return nil
	}
	anchor, err := badgerstore.ReadAnchor(s.cfg.Store.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.known():
		return nil // there never was a store, as far as can be seen
	case err != nil:
		return fmt.Errorf("%w (%w)", errNoAnchor, err)
	case f.ID < anchor.Restricted:
		return errOutdated
	}
	return nil
}

// known tells whether there is a store.
func (s Salvager) known() bool {
	_, err := os.Lstat(s.cfg.Store.Path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (s Salvager) rebuild(ctx context.Context, sides *restore.Sides, f *dump.File) (diff *restore.Diff, before string, err error) {
	damaged, err := badgerstore.HoldDamaged(s.cfg.Store.Path)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, damaged.Release()) }()
	if diff, err = s.make(ctx, sides, f); err != nil {
		return nil, "", errors.Join(err, giveUp(s.cfg.Store))
	}
	before, err = damaged.Replace(time.Now())
	return diff, before, err
}

// make makes the store that is to take the place of the damaged one.
func (s Salvager) make(ctx context.Context, sides *restore.Sides, f *dump.File) (diff *restore.Diff, err error) {
	c, err := besides(s.cfg.Store)
	if err != nil {
		return nil, err
	}
	made, err := openStore(ctx, c, s.log)
	if err != nil {
		return nil, err
	}
	a := provision.Applier{Now: time.Now, Random: rand.Reader}
	err = a.Alone(func(own store.Entry) (err error) {
		own.Dir, own.Path, own.Author, own.SHA256 = provision.OrderDir, restorePath, s.author, f.Sum
		diff, err = sides.Make(ctx, made, own)
		return err
	})
	if err == nil {
		err = s.keys.recognizes(made, s.cfg)
	}
	return diff, errors.Join(err, made.Close())
}
