package patches

import (
	"errors"

	"golang.org/x/sys/unix"
)

// lease asks the kernel whether anybody has the file open for writing. Where
// it answers quiet, whoever opens the file for writing from now on waits until
// the lease is given up, by unlease or by closing the file.
//
// The kernel refuses with EAGAIN while there is a writer, and with EACCES where
// the file is another user's and the daemon has no CAP_LEASE.
func (f *file) lease() access {
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		return quiet
	case errors.Is(err, unix.EAGAIN):
		return writing
	}
	return unleased
}

func (f *file) unlease() {
	_, _ = unix.FcntlInt(uintptr(f.fd), unix.F_SETLEASE, unix.F_UNLCK)
}

// leases tells whether leases mean something on the folder's file system. On a
// network nobody sees the other hosts' writers, and NFS refuses for ever.
func (f *folder) leases() bool {
	var st unix.Statfs_t
	if unix.Fstatfs(f.fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.NCP_SUPER_MAGIC:
		return false
	}
	return true
}

// syncFileSystem makes everything durable on the folder's file system. It
// returns false where the system cannot.
func (f *folder) syncFileSystem() (done bool, err error) { return true, unix.Syncfs(f.fd) }

// putBack renames a file to a name that must be free.
func (f *folder) putBack(name string, to *folder, newName string) error {
	return unix.Renameat2(f.fd, name, to.fd, newName, unix.RENAME_NOREPLACE)
}
