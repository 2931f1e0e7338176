package patches

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// readOnly tells whether nobody can write to what the path leads to through
// that mount.
func readOnly(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(name, &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

func (f *folder) readOnly() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(f.fd, &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

// The attribute that holds a directory's access control list, and its form
// (linux/posix_acl_xattr.h, posix_acl.h): a version, then entries of tag,
// permissions and number, all of it little-endian.
const (
	aclAttribute = "system.posix_acl_access"
	aclVersion   = 2
	aclHead      = 4
	aclEntry     = 8
	aclWrite     = 2

	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
)

// writers lists who may write to a directory beside its owner and all others:
// its group, or those that an access control list names. read reads an
// extended attribute.
func writers(st info, read func(attr string, dest []byte) (int, error)) []granted {
	if st.mode&groupWrites == 0 {
		return nil
	}
	if list, err := readACL(read); err == nil {
		if found, ok := parseACL(list, st.gid); ok {
			return found
		}
	}
	return []granted{{true, st.gid}}
}

func readACL(read func(attr string, dest []byte) (int, error)) ([]byte, error) {
	size, err := read(aclAttribute, nil)
	if err != nil {
		return nil, err
	}
	list := make([]byte, size)
	n, err := read(aclAttribute, list)
	return list[:max(n, 0)], err
}

// parseACL lists who may write by a list, whose group is the directory's.
func parseACL(list []byte, group uint32) (found []granted, ok bool) {
	if len(list) < aclHead || binary.LittleEndian.Uint32(list) != aclVersion || (len(list)-aclHead)%aclEntry != 0 {
		return nil, false
	}
	mask := uint16(aclWrite)
	for list = list[aclHead:]; len(list) > 0; list = list[aclEntry:] {
		tag, may := binary.LittleEndian.Uint16(list), binary.LittleEndian.Uint16(list[2:])&aclWrite
		id := binary.LittleEndian.Uint32(list[4:])
		switch {
		case tag == aclMask:
			mask = may
		case may == 0:
		case tag == aclUser:
			found = append(found, granted{false, id})
		case tag == aclGroupObj:
			found = append(found, granted{true, group})
		case tag == aclGroup:
			found = append(found, granted{true, id})
		}
	}
	if mask == 0 {
		return nil, true
	}
	return found, true
}
