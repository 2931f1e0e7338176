//go:build unix

package provision

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/store"
)

// spot is a place for an output: an open directory, and a name in it. No link
// is followed to it, beneath the directory of the rules, or at it.
type spot struct {
	dir  *os.File
	name string
}

const (
	folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	readFlags   = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	createFlags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// maxOutput is more than any output has.
const maxOutput = 4 << 10

// openSpot opens the place that a path of the rules means.
func (r *Rules) openSpot(name string) (*spot, error) {
	root, rel, _ := r.outputDir(name)
	dir, err := openat(nil, root, folderFlags, 0)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(rel, "/")
	for _, part := range parts[:len(parts)-1] {
		sub, err := openat(dir, part, folderFlags|unix.O_NOFOLLOW, 0)
		_ = dir.Close() // nothing was written
		if err != nil {
			return nil, err
		}
		dir = sub
	}
	return &spot{dir, path.Base(rel)}, nil
}

// openat opens a name in a directory, or a path where there is none.
func openat(dir *os.File, name string, flags int, perm uint32) (*os.File, error) {
	at := unix.AT_FDCWD
	if dir != nil {
		at = int(dir.Fd())
	}
	for {
		fd, err := unix.Openat(at, name, flags, perm)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "an output"), nil
	}
}

func (s *spot) close() { _ = s.dir.Close() }

// spotID tells spots apart, whichever paths lead to them.
type spotID struct {
	dev, ino uint64
	name     string
}

func (s *spot) id() (spotID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.dir.Fd()), &st); err != nil {
		return spotID{}, err
	}
	return spotID{uint64(st.Dev), st.Ino, s.name}, nil //nolint:unconvert // it is another type elsewhere
}

// staged is what the output is called until it is committed.
func (s *spot) staged() string { return "." + s.name + stagedSuffix }

// look tells what has a name in the directory. With an error that is not known:
// what is there may be anything.
func (s *spot) look(name string) (Target, error) {
	t := Target{Exists: true}
	f, err := openat(s.dir, name, readFlags, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Target{}, nil
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO): // a link, or a socket
		return t, nil
	case err != nil:
		return t, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return t, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxOutput+1))
	if err == nil && len(data) <= maxOutput {
		t.Known, t.Sum = true, sha256.Sum256(data)
	}
	return t, err
}

// stage writes an output beside its place, durably but for the name. What was
// staged before has been revealed or removed.
func (s *spot) stage(content []byte, a access) (err error) {
	f, err := openat(s.dir, s.staged(), createFlags, defaultMode)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = s.remove(s.staged())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := giveAway(f, a); err != nil {
		return err
	}
	if err := f.Chmod(a.mode); err != nil {
		return err
	}
	if _, err := s.look(s.staged()); errors.Is(err, fs.ErrPermission) {
		return errors.Join(errOwner, err) // nobody could tell any more what was staged
	}
	return f.Sync()
}

// giveAway makes a file that of its accounts. One that is theirs already, as a
// group is that the directory passes on, needs no right to chown(2), which the
// packaged unit does not leave.
func giveAway(f *os.File, a access) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if (a.uid < 0 || a.uid == int(st.Uid)) && (a.gid < 0 || a.gid == int(st.Gid)) {
		return nil
	}
	if err := f.Chown(a.uid, a.gid); err != nil {
		return errors.Join(errOwner, err)
	}
	return nil
}

// reveal puts what was staged into its place if it is what was committed, and
// removes it otherwise. It may be called at any time: where nothing is staged
// there is nothing to do. With an error both are as they were.
func (s *spot) reveal(committed *store.Output) error {
	if committed == nil {
		return s.remove(s.staged())
	}
	staged, err := s.look(s.staged())
	switch {
	case err != nil || !staged.Exists:
		return err
	case !staged.Known || staged.Sum != committed.Sum:
		return s.remove(s.staged())
	}
	there, err := s.look(s.name)
	switch {
	case isBusy(err):
		return err
	case there.Exists && !there.holds(committed):
		return errForeign
	}
	dir := int(s.dir.Fd())
	return unix.Renameat(dir, s.staged(), dir, s.name)
}

// remove removes a name; that it is gone already is no error.
func (s *spot) remove(name string) error {
	err := unix.Unlinkat(int(s.dir.Fd()), name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes the directory's names durable. File systems that cannot say so.
func (s *spot) sync() error {
	err := unix.Fsync(int(s.dir.Fd()))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
