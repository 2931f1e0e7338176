package patches

import (
	"path"
	"syscall"
	"time"
)

// info is what a file's status says.
type info struct {
	dev, ino     uint64
	mode         uint32 // permissions
	kind         uint32
	links        uint64
	uid, gid     uint32
	size         int64
	mtime, ctime time.Time
}

// same tells whether a file has not been written to in between.
func (i info) same(o info) bool {
	return i.is(o) && i.size == o.size && i.mtime.Equal(o.mtime)
}

// is tells whether both are the same file.
func (i info) is(o info) bool { return i.key() == o.key() }

// key is the same for one file under all its names.
func (i info) key() [2]uint64 { return [2]uint64{i.dev, i.ino} }

// plain tells a regular file with exactly one link.
func (i info) plain() bool { return i.kind == syscall.S_IFREG && i.links == 1 }

func (i info) folder() bool { return i.kind == syscall.S_IFDIR }

func (i info) link() bool { return i.kind == syscall.S_IFLNK }

func (i info) olderThan(t time.Time) bool { return i.mtime.Before(t) && i.ctime.Before(t) }

// split cuts a relative path into its directory and its name.
func split(rel string) (dir, name string) { return path.Dir(rel), path.Base(rel) }
