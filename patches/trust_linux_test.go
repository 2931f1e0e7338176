package patches

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a list grants, as setfacl leaves it.
func TestACL(t *testing.T) {
	entry := func(tag, perm uint16, id uint32) string {
		return string([]byte{byte(tag), byte(tag >> 8), byte(perm), byte(perm >> 8), byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})
	}
	const head, none = "\x02\x00\x00\x00", 0xffffffff
	base := head + entry(0x01, 7, none)
	for name, tt := range map[string]struct {
		list string
		want string
		ok   bool
	}{
		"a user":         {base + entry(0x02, 7, bob) + entry(0x04, 5, none) + entry(0x10, 7, none) + entry(0x20, 5, none), "[{false 300}]", true},
		"reads only":     {base + entry(0x02, 5, bob) + entry(0x04, 7, none) + entry(0x10, 7, none), "[{true 101}]", true},
		"groups":         {base + entry(0x04, 7, none) + entry(0x08, 3, staff) + entry(0x10, 7, none), "[{true 101} {true 301}]", true},
		"masked":         {base + entry(0x02, 7, bob) + entry(0x04, 7, none) + entry(0x10, 5, none), "[]", true},
		"another form":   {"\x03" + base[1:], "[]", false},
		"cut":            {base[:len(base)-1], "[]", false},
		"nothing":        {"", "[]", false},
		"without mask":   {base + entry(0x04, 7, none), "[{true 101}]", true},
		"a large number": {base + entry(0x02, 2, 4_000_000_000) + entry(0x10, 2, none), "[{false 4000000000}]", true},
	} {
		found, ok := parseACL([]byte(tt.list), daemonGroup)
		if got := fmt.Sprint(found); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %s %v, want %s %v", name, got, ok, tt.want, tt.ok)
		}
	}
}

// With an access control list the group bits are the bound of what it grants,
// and the owning group need not be among those.
func TestAccessControlList(t *testing.T) {
	asRoot(t)
	td := newDropDir(t)
	list := []byte("\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xd2\x04\x00\x00" +
		"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff")
	if err := unix.Setxattr(td.path, aclAttribute, list, 0); err != nil {
		skip(t, "this file system has no access control lists: "+err.Error())
	}
	td.Pass()
	td.Is(Refused)
	td.Logged("1234 may write to "+shellQuote(td.path)+" by its access control list", 1)
	must(t, unix.Removexattr(td.path, aclAttribute))
	must(t, unix.Chmod(td.path, 0o755))
	td.Pass()
	td.Is(Working)
	sub := filepath.Join(td.path, "sub")
	td.Drop("sub/x.yaml", "a")
	must(t, unix.Setxattr(sub, aclAttribute, list, 0))
	td.Drop("sub/y.yaml", "b")
	td.Pass()
	td.Applied()
	td.Logged("1234 may write to "+shellQuote(sub)+" by its access control list", 1)
}
