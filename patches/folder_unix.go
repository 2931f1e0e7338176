//go:build unix

package patches

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open directory. Its methods take single names, and none of them
// follows a link. (os.Root keeps inside its directory too, but follows links
// there, whatever the flags.)
type folder struct {
	fd      int
	info    info
	trusted bool // it has been judged, and all above it
}

// file is an open file.
type file struct{ fd int }

func infoOf(st *unix.Stat_t) info {
	mode := uint32(st.Mode) //nolint:unconvert // narrower on darwin
	return info{
		dev: uint64(st.Dev), ino: st.Ino, //nolint:unconvert // signed on darwin
		mode: mode &^ unix.S_IFMT, kind: mode & unix.S_IFMT,
		links: uint64(st.Nlink), uid: st.Uid, gid: st.Gid, size: st.Size, //nolint:unconvert // narrower on darwin
		mtime: time.Unix(st.Mtim.Unix()), ctime: time.Unix(st.Ctim.Unix()),
	}
}

const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// openFolder opens the directory that an operator named, through links.
func openFolder(name string) (*folder, error) {
	return newFolder(retry(func() (int, error) { return unix.Open(name, folderFlags, 0) }))
}

// statPath looks at what an operator's path leads to, through links.
func statPath(name string) (info, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return info{}, err
	}
	return infoOf(&st), nil
}

// lookAt looks at one directory or link.
func lookAt(name string) (place, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return place{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	p := place{path: name, info: infoOf(&st)}
	if p.info.folder() && p.info.mode&shared != 0 {
		p.readOnly = readOnly(name)
		p.list = writers(p.info, func(attr string, dest []byte) (int, error) { return unix.Lgetxattr(name, attr, dest) })
	}
	return p, nil
}

// sub opens a directory in this one.
func (f *folder) sub(name string) (*folder, error) {
	return newFolder(retry(func() (int, error) {
		return unix.Openat(f.fd, name, folderFlags|unix.O_NOFOLLOW, 0)
	}))
}

func newFolder(fd int, err error) (*folder, error) {
	if err != nil {
		return nil, err
	}
	st, err := (&file{fd}).stat()
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &folder{fd: fd, info: st}, nil
}

func (f *folder) close() { _ = unix.Close(f.fd) }

// list reads the directory. abs is its name for systems that do not tell the
// type of an entry.
func (f *folder) list(abs string) ([]fs.DirEntry, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(f.fd, ".", folderFlags, 0) })
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), abs)
	defer func() { _ = dir.Close() }()
	return dir.ReadDir(-1)
}

func (f *folder) stat(name string) (info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return info{}, err
	}
	return infoOf(&st), nil
}

// open opens a file for reading. It does not wait, neither for the other end
// of a FIFO nor for a lease.
func (f *folder) open(name string) (*file, error) {
	return f.openat(name, unix.O_RDONLY|unix.O_NONBLOCK)
}

// create opens an empty file of the daemon's for writing.
func (f *folder) create(name string) (*file, error) {
	return f.openat(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
}

// openLock opens the lock, which is made where it is missing. What else has its
// name is not opened, waited for or changed.
func (f *folder) openLock() (*file, error) {
	lock, err := f.openat(lockName, unix.O_RDONLY|unix.O_CREAT|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	st, err := lock.stat()
	if err == nil && !st.plain() {
		err = errNotPlain
	}
	if err != nil {
		lock.close()
		return nil, err
	}
	return lock, nil
}

func (f *folder) openat(name string, flags int) (*file, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(f.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return nil, err
	}
	return &file{fd}, nil
}

// rename replaces what has the new name, unless it is a directory.
func (f *folder) rename(name string, to *folder, newName string) error {
	return unix.Renameat(f.fd, name, to.fd, newName)
}

// remove removes a file; that it is gone already is no error.
func (f *folder) remove(name string) error {
	if err := unix.Unlinkat(f.fd, name, 0); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeFolder removes a directory if it is empty.
func (f *folder) removeFolder(name string) error {
	return unix.Unlinkat(f.fd, name, unix.AT_REMOVEDIR)
}

// mkdir makes a directory; made is false where there was one already.
func (f *folder) mkdir(name string, perm uint32) (made bool, err error) {
	err = unix.Mkdirat(f.fd, name, perm)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func (f *folder) chmod(perm uint32) error { return unix.Fchmod(f.fd, perm) }

// sync makes the directory's names durable. File systems that cannot say so.
func (f *folder) sync() error {
	err := (&file{f.fd}).sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// readlink reads a link, and is EINVAL of what is none.
func (f *folder) readlink(name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.fd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// writers lists who may write to the directory beside its owner and all others.
func (f *folder) writers() []granted {
	return writers(f.info, func(attr string, dest []byte) (int, error) { return unix.Fgetxattr(f.fd, attr, dest) })
}

func (f *file) close() { _ = unix.Close(f.fd) }

func (f *file) stat() (info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return info{}, err
	}
	return infoOf(&st), nil
}

func (f *file) chmod(perm uint32) error { return unix.Fchmod(f.fd, perm) }

func (f *file) sync() error {
	_, err := retry(func() (int, error) { return 0, unix.Fsync(f.fd) })
	return err
}

// read reads at most limit bytes from the start.
func (f *file) read(limit int64) ([]byte, error) {
	data := make([]byte, limit)
	for n := 0; ; {
		got, err := retry(func() (int, error) { return unix.Pread(f.fd, data[n:], int64(n)) })
		if err != nil {
			return nil, err
		}
		if n += got; got == 0 {
			return data[:n], nil
		}
	}
}

func (f *file) write(data []byte) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(f.fd, data) })
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// seize takes the lock that the file stands for, which ends with the process at
// the latest. It is errLocked that another process has it.
func (f *file) seize() error {
	err := unix.Flock(f.fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	if err != nil {
		return fmt.Errorf("taking the lock: %w", err)
	}
	return nil
}

// fileLimit is how many files the process may have open.
func fileLimit() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

// retry repeats what a signal has interrupted.
func retry[T any](call func() (T, error)) (T, error) {
	for {
		if v, err := call(); !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}
