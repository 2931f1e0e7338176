//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// Supported tells whether there can be a daemon, and a store.
func Supported() error { return nil }

// becomeOwner gives up root for the user that the store belongs to, whose daemon
// could not open what root leaves in there, until regain is called. Where there is
// no store, the directory around it tells whose it would be.
func becomeOwner(path string) (regain func() error, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return nil, cause(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return func() error { return nil }, nil
	}
	groups, err := syscall.Getgroups()
	if err != nil {
		return nil, fmt.Errorf("becoming its owner: %w", err)
	}
	regain = func() error {
		err := syscall.Setreuid(-1, 0)
		return errors.Join(err, syscall.Setregid(-1, os.Getgid()), syscall.Setgroups(groups))
	}
	err = errors.Join(syscall.Setgroups([]int{int(owner.Gid)}), syscall.Setregid(-1, int(owner.Gid)))
	if err == nil {
		err = syscall.Setreuid(-1, int(owner.Uid))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("becoming its owner: %w", err), regain())
	}
	return regain, nil
}

// Bits of a directory's mode that let somebody put files into it.
const (
	groupWrites fs.FileMode = 0o020
	otherWrites fs.FileMode = 0o002
)

// groupCanWrite tells whether the members of a group can put files into a
// directory, as far as its mode says.
func groupCanWrite(path string, gid int) bool {
	info, err := os.Stat(path)
	if err != nil || readOnly(path) {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (info.Mode()&otherWrites != 0 || info.Mode()&groupWrites != 0 && int(st.Gid) == gid)
}

// readOnly tells whether a directory lies on a mount that nobody can write to.
func readOnly(path string) bool {
	const writes = 2 // W_OK of access(2)
	return errors.Is(syscall.Access(path, writes), syscall.EROFS)
}

// identify notes which file it is, and whose.
func (s *stamp) identify(info fs.FileInfo) {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode = uint64(sys.Dev), sys.Ino //nolint:unconvert // the type differs between systems
		s.user, s.group = sys.Uid, sys.Gid
	}
}

// WriteWhole writes a file, for its owner only, in the place of the one that is
// there, once it is whole and durable.
func WriteWhole(path string, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // nothing is left of it after it took its place
	if err := write(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
