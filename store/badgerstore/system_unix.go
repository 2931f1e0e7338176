//go:build unix

package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// checkNeighbour refuses a store that fills a file system of its own: what lies
// beside it is to share its disk.
func checkNeighbour(path string) error {
	var inner, outer unix.Stat_t
	if err := errors.Join(unix.Stat(path, &inner), unix.Stat(filepath.Dir(path), &outer)); err != nil {
		return err
	}
	if inner.Dev != outer.Dev {
		return errors.New("it is a file system of its own, and has to be a directory in one, " +
			"because its anchor, its reserve and its snapshot lie beside it; let path end in a further name")
	}
	return nil
}

// checkWritable asks for the process's rights, whatever the mode says.
func checkWritable(path string) error { return unix.Access(path, unix.W_OK|unix.X_OK) }

func lockDir(path string) (*dirLock, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return &dirLock{dir}, nil
	}
	_ = dir.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	return nil, fmt.Errorf("locking the directory: %w", err)
}

// noFollow lets no link be opened.
const noFollow = unix.O_NOFOLLOW

// spaceOf is the space that a file takes, holes not counted. It follows no link.
func spaceOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Blocks) * 512, nil
}

// allocated is the same of a file that is open, but no more than its size.
func allocated(f *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, err
	}
	return uint64(min(st.Size, st.Blocks*512)), nil
}

// readOnlyFlag is ST_RDONLY of statvfs(3), and MNT_RDONLY of statfs(2) elsewhere.
const readOnlyFlag = 1

// freeSpace is the number of bytes on the file system that the process may
// still fill: none if it may not write.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	if st.Flags&readOnlyFlag != 0 {
		return 0, unix.EROFS
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// writeWhole writes a file, for the daemon's user only, that is complete or not
// there.
func writeWhole(path string, data []byte) error { return renameio.WriteFile(path, data, 0o600) }

// forget gives back what is mapped there.
func forget(start, size uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_DONTNEED)
}
