package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A store is replaced by another one that was made beside it, with its anchor:
//
//	step                                        crash after it
//	PATH.restoring is made, and closed          the old store; the next start removes the new one
//	PATH.restoring.anchor → PATH.restored.anchor   the same
//	PATH.restoring → PATH.restored              the same
//	PATH → PATH.before-restore-TIME             the new store: the next start takes the next steps
//	PATH.anchor → PATH.before-….anchor          the same
//	PATH.restored.anchor → PATH.anchor          the same
//	PATH.restored → PATH                        nothing to do
//
// Each renaming is durable before the next.
const (
	restoringSuffix = ".restoring"
	restoredSuffix  = ".restored"
	beforeSuffix    = ".before-restore-"
	// beforeTime is how the time is written in the name of what was replaced.
	beforeTime = "20060102T150405.000Z"
)

// NewPath is where a store is made that is to replace the one at a path. What an
// earlier attempt has left there is removed; the caller has the one at the path
// open.
func NewPath(path string) (string, error) { return path + restoringSuffix, removeLeft(path) }

// GiveUp removes what was made at NewPath, and is closed.
func GiveUp(path string) error { return removeLeft(path) }

// Replace closes the store, puts the one in its place that was made at NewPath,
// and returns where the old one is now. After an error the store is closed too,
// and opening it anew tells which of the two is there.
func (s *Store) Replace(now time.Time) (before string, err error) {
	return s.replace(now, func() error { return nil })
}

func (s *Store) replace(now time.Time, step func() error) (before string, err error) {
	if err := s.Stop(); err != nil {
		return "", err
	}
	s.views.Wait()
	err = until(time.After(closeWait), func() error { return errors.Join(s.disk.close(), s.disk.anchor.close()) })
	if err == nil {
		before, err = replace(s.disk.path, now, step)
	}
	return before, errors.Join(err, s.lock.release())
}

// Damaged is a store that cannot be opened, and that nobody else can try to open
// or to replace meanwhile.
type Damaged struct {
	path string
	lock *dirLock
}

// HoldDamaged takes hold of the store at the path, whose directory may be gone.
func HoldDamaged(path string) (*Damaged, error) {
	if err := finishReplace(path, func() error { return nil }); err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	return &Damaged{path, lock}, nil
}

// Replace is that of a Store.
func (d *Damaged) Replace(now time.Time) (before string, err error) {
	return replace(d.path, now, func() error { return nil })
}

// Release lets others try.
func (d *Damaged) Release() error { return d.lock.release() }

// replace calls step before each step and after the last, for tests: its error
// stands for a crash.
func replace(path string, now time.Time, step func() error) (before string, err error) {
	before = path + beforeSuffix + now.UTC().Format(beforeTime)
	if _, err := os.Lstat(before); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("putting the store aside: %s is there already", before)
	}
	restoring, restored := path+restoringSuffix, path+restoredSuffix
	if _, err := os.Lstat(restoring); err != nil {
		return "", err
	}
	if err := os.RemoveAll(reservePath(restoring)); err != nil { // that of the path is the new one's
		return "", fmt.Errorf("replacing the store: %w", err)
	}
	for _, move := range [][2]string{
		{anchorPath(restoring), anchorPath(restored)},
		{restoring, restored},
		{path, before},
		{anchorPath(path), anchorPath(before)},
	} {
		if err := rename(move[0], move[1], step); err != nil {
			return "", err
		}
	}
	return before, finishReplace(path, step)
}

// finishReplace takes the steps of a Replace after which there is no store at
// the path any more. It does nothing where none has come so far.
func finishReplace(path string, step func() error) error {
	restored := path + restoredSuffix
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Lstat(restored); err != nil {
		return ignoreAbsent(err)
	}
	for _, move := range [][2]string{{anchorPath(restored), anchorPath(path)}, {restored, path}} {
		if err := rename(move[0], move[1], step); err != nil {
			return err
		}
	}
	return step()
}

// rename moves what is there, durably.
func rename(from, to string, step func() error) error {
	if err := step(); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return ignoreAbsent(err)
	}
	if err := syncFile(filepath.Dir(to)); err != nil {
		return fmt.Errorf("replacing the store: %w", err)
	}
	return nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeLeft removes stores that were to replace the one at the path, and did
// not. The caller has the lock on that one.
func removeLeft(path string) error {
	for _, left := range []string{path + restoringSuffix, path + restoredSuffix} {
		if err := errors.Join(os.RemoveAll(left), os.RemoveAll(anchorPath(left)), os.RemoveAll(reservePath(left))); err != nil {
			return fmt.Errorf("removing what an earlier restore has left: %w", err)
		}
	}
	return nil
}
