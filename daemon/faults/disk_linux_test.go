package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// disk is what the machine's disk is made of.
type disk struct {
	*testing.T
	at    string
	image string // of ext4; empty: a tmpfs
}

// mustMount mounts, or skips the test for want of the right to.
func mustMount(t *testing.T, mount func() error) {
	t.Helper()
	if err := mount(); err != nil && os.Getenv("CI") != "true" {
		t.Skip("a disk to cut off or fill needs the right to mount one: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// ext4 puts an ext4 in a file under the machine's disk. It writes nothing by
// itself for five minutes.
func (m *machine) ext4() *disk {
	m.Helper()
	d := &disk{m.T, filepath.Join(m.root, "disk"), filepath.Join(m.root, "image")}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 400<<20)); err != nil {
		m.Fatal(err)
	}
	mustMount(m.T, func() error { return errors.Join(run("mkfs.ext4", "-q", "-F", "-m", "0", d.image), d.mount()) })
	m.Cleanup(func() {
		m.kill()
		_ = unix.Unmount(d.at, unix.MNT_DETACH)
	})
	return d
}

func (d *disk) mount() error { return run("mount", "-o", "loop,commit=300", d.image, d.at) }

// shutdown is EXT4_IOC_SHUTDOWN of linux/ext4.h, with what it calls NOLOGFLUSH:
// nothing reaches the disk any more, the journal least of all.
const (
	shutdown   = 0x8004587d
	noLogFlush = 2
)

// cut is a power cut: what was not synced is gone.
func (d *disk) cut() {
	d.Helper()
	f, err := os.Open(d.at)
	if err == nil {
		err = errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush), f.Close())
	}
	if err != nil {
		d.Fatal(err)
	}
}

// restore is the power's return. The journal is replayed, and the file system
// is in order.
func (d *disk) restore() {
	d.Helper()
	err := unix.Unmount(d.at, 0)
	if err == nil {
		err = errors.Join(d.mount(), unix.Unmount(d.at, 0))
	}
	if err == nil {
		err = errors.Join(run("fsck.ext4", "-n", "-f", d.image), d.mount())
	}
	if err != nil {
		d.Fatal(err)
	}
}

// tmpfs mounts a small file system of memory.
func (m *machine) tmpfs(dir, size string) *disk {
	m.Helper()
	d := &disk{T: m.T, at: filepath.Join(m.root, dir)}
	mustMount(m.T, func() error { return unix.Mount("tmpfs", d.at, "tmpfs", 0, "mode=0700,size="+size) })
	m.Cleanup(func() {
		m.kill()
		_ = unix.Unmount(d.at, unix.MNT_DETACH)
	})
	return d
}

// others is who fills the disk: it is no patch.
const others = ".others"

func (d *disk) fill() {
	d.Helper()
	f, err := os.OpenFile(filepath.Join(d.at, others), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for _, step := range []int64{1 << 20, 4 << 10} {
		for err = nil; err == nil; size += step {
			err = unix.Fallocate(int(f.Fd()), 0, 0, size+step)
		}
		if size -= step; !errors.Is(err, unix.ENOSPC) {
			d.Fatal(err)
		}
	}
}

func (d *disk) clear() {
	d.Helper()
	if err := os.Remove(filepath.Join(d.at, others)); err != nil {
		d.Fatal(err)
	}
}

func run(args ...string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out)
	}
	return nil
}
