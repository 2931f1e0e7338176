package patches

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// tree is a drop directory that is open and locked. Everything is done
// relative to its descriptors, so that it cannot end in another directory that
// has taken its path.
type tree struct {
	path   string // absolute
	root   *folder
	claims *folder // claimDir; nil where nothing is to be written
	lock   *file
	leased bool // leases mean something here
	// readOnly: the mount was, when the tree was opened.
	readOnly bool
	subs     map[string]*folder
	sync     func(*folder) error // makes a directory's names durable
}

// What opening a tree may return, beside errors of the system.
var (
	errLocked = errors.New("another daemon has the directory")
	errOther  = errors.New("it is a drop directory of its own")
	errMoved  = errors.New("another directory has taken its path meanwhile")
)

// maxSubs bounds the descriptors that a tree keeps open between two trims.
const maxSubs = 64

// openTree opens the directory, which the path has been seen to lead to. Unless
// it is kept as it is, or cannot be written to, claimDir is made where it is
// missing and the lock is taken.
func openTree(name string, seen info, keep bool, sync func(*folder) error) (*tree, error) {
	root, err := openFolder(name)
	if err == nil && !root.info.is(seen) {
		root.close()
		err = errMoved
	}
	if err != nil {
		return nil, fmt.Errorf("opening the drop directory: %w", err)
	}
	t := &tree{path: name, root: root, subs: map[string]*folder{}, leased: root.leases(), readOnly: readOnly(name), sync: sync}
	if keep || t.readOnly {
		return t, nil
	}
	err = t.own()
	if errors.Is(err, syscall.EROFS) {
		t.disown()
		return t, nil
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// foreign says that claimDir is another user's, whose daemon may have claims in
// it, and what to run if none has.
func foreign(root string, owner uint32) error {
	return fmt.Errorf("its %s belongs to %s: if no daemon of that user has the directory, run chown -R %s %s",
		claimDir, UserName(owner), UserName(uint32(os.Geteuid())), shellQuote(path.Join(root, claimDir)))
}

// own makes the directory this daemon's.
func (t *tree) own() error {
	if _, err := t.root.mkdir(claimDir, 0o700); err != nil {
		return fmt.Errorf("making .tokendrop: %w", err)
	}
	claims, err := t.root.sub(claimDir)
	if err != nil {
		return fmt.Errorf("opening .tokendrop: %w", err)
	}
	t.claims = claims
	if claims.info.uid != uint32(os.Geteuid()) {
		return foreign(t.path, claims.info.uid)
	}
	if err := t.sync(t.root); err != nil {
		return fmt.Errorf("making .tokendrop durable: %w", err)
	}
	if claims.info.mode != 0o700 {
		if err := claims.chmod(0o700); err != nil {
			return fmt.Errorf("closing .tokendrop to others: %w", err)
		}
	}
	if t.lock, err = claims.openLock(); err != nil {
		return fmt.Errorf("opening the lock: %w", err)
	}
	return t.lock.seize()
}

// disown gives up what own has had.
func (t *tree) disown() {
	if t.lock != nil {
		t.lock.close()
	}
	if t.claims != nil {
		t.claims.close()
	}
	t.lock, t.claims = nil, nil
}

// current tells whether the tree is still whole, on a mount that can be written
// to as it could before. seen is what its path leads to now.
func (t *tree) current(seen info) bool {
	if !seen.is(t.root.info) || readOnly(t.path) != t.readOnly {
		return false
	}
	if t.claims == nil {
		return true
	}
	claims, err := t.root.stat(claimDir)
	return err == nil && claims.is(t.claims.info)
}

// folder opens the subdirectory of that relative path, or returns it from
// before. It stays open until trim or close.
func (t *tree) folder(rel string) (*folder, error) {
	switch {
	case rel == ".":
		return t.root, nil
	case rel == claimDir && t.claims != nil:
		return t.claims, nil
	}
	if f, ok := t.subs[rel]; ok {
		return f, nil
	}
	dir, name := split(rel)
	in, err := t.folder(dir)
	if err != nil {
		return nil, err
	}
	f, err := in.sub(name)
	if err != nil {
		return nil, err
	}
	t.subs[rel] = f
	return f, nil
}

// make opens the subdirectory of that path, and makes what is missing of it.
func (t *tree) make(rel string, perm uint32) (*folder, error) {
	f, err := t.folder(rel)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	dir, name := split(rel)
	in, err := t.make(dir, perm)
	if err != nil {
		return nil, err
	}
	made, err := in.mkdir(name, perm)
	if err != nil {
		return nil, err
	}
	if err := t.sync(in); err != nil {
		return nil, err
	}
	f, err = t.folder(rel)
	if err == nil && made && f.info.mode&perm != perm { // the umask has taken bits away
		err = f.chmod(f.info.mode | perm)
	}
	return f, err
}

// trim closes subdirectories where there are many, other than those on the way
// to rel. Folders that were returned before must not be used after it.
func (t *tree) trim(rel string) {
	if len(t.subs) <= maxSubs {
		return
	}
	for at, f := range t.subs {
		if !within(rel, at) {
			f.close()
			delete(t.subs, at)
		}
	}
}

func (t *tree) forget() {
	for _, f := range t.subs {
		f.close()
	}
	clear(t.subs)
}

func (t *tree) close() {
	t.forget()
	t.disown()
	t.root.close()
}

func (t *tree) abs(rel string) string { return path.Join(t.path, rel) }
