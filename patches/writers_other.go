//go:build unix && !linux

package patches

import "golang.org/x/sys/unix"

// readOnly tells whether nobody can write to what the path leads to through
// that mount.
func readOnly(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(name, &st) == nil && st.Flags&unix.MNT_RDONLY != 0
}

func (f *folder) readOnly() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(f.fd, &st) == nil && st.Flags&unix.MNT_RDONLY != 0
}

// writers lists who may write to a directory beside its owner and all others,
// as far as the mode tells.
func writers(st info, _ func(attr string, dest []byte) (int, error)) []granted {
	if st.mode&groupWrites == 0 {
		return nil
	}
	return []granted{{true, st.gid}}
}
