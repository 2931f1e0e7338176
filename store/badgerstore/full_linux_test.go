package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/store"
)

// smallDisk is a file system of a few hundred MiB, with a store on it.
type smallDisk struct {
	*testing.T
	dir string
}

// mountSmall is a file system in memory.
func mountSmall(t *testing.T, options string) *smallDisk {
	t.Helper()
	return mountDisk(t, func(dir string) error { return unix.Mount("tmpfs", dir, "tmpfs", 0, options) })
}

func mountDisk(t *testing.T, mount func(dir string) error) *smallDisk {
	t.Helper()
	d := &smallDisk{t, t.TempDir() + "/disk"}
	err := os.Mkdir(d.dir, 0o700)
	if err == nil {
		err = mount(d.dir)
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("a disk to fill up needs the right to mount one: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.dir, unix.MNT_DETACH) })
	return d
}

// onSmallDisks runs a test on file systems that can be filled.
func onSmallDisks(t *testing.T, run func(*smallDisk)) {
	t.Run("tmpfs", func(t *testing.T) { run(mountSmall(t, "size=320m,mode=0700")) })
	t.Run("ext4", func(t *testing.T) { run(mountDisk(t, mountExt4)) })
}

func mountExt4(dir string) error {
	image := dir + ".img"
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 400<<20)); err != nil {
		return err
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop,errors=remount-ro", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

func (d *smallDisk) options() Options { return testOptions(d.dir + "/store") }

// fill is others, who leave nothing of the disk.
func (d *smallDisk) fill() {
	d.Helper()
	f, err := os.OpenFile(d.dir+"/others", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for _, step := range []int64{1 << 20, 64 << 10, 4 << 10} {
		for err = nil; err == nil; {
			if err = unix.Fallocate(int(f.Fd()), 0, 0, size+step); err == nil {
				size += step
			}
		}
		if !errors.Is(err, unix.ENOSPC) {
			d.Fatal(err)
		}
	}
}

func (d *smallDisk) clear() {
	d.Helper()
	if err := os.Remove(d.dir + "/others"); err != nil {
		d.Fatal(err)
	}
}

// tables is how many commits leave Badger something to write out and to merge.
const tables = 4

// Invariant 3, on disks that are full: what is there is read, nothing is
// written, the store is closed and opened, and goes on by itself.
func TestFullDisk(t *testing.T) {
	onSmallDisks(t, func(d *smallDisk) {
		s := mustOpen(d.T, d.options(), defaultHooks(d.options()))
		next := uint64(1)
		for range tables {
			d.commit(s, benchBatch(next, 8000), nil)
			next += 8000
		}
		used := []store.Used{}
		for r := range s.Tokens() {
			used = append(used, store.Used{Token: r.ID, Name: r.Name, CredentialUse: store.CredentialUse{Number: 1, Use: store.Use{Count: 1}}})
			break
		}
		for round := range 2 {
			d.commit(s, benchBatch(next, 1000), nil)
			next += 1000
			d.untilRest(s)
			d.fill()
			d.commit(s, benchBatch(next, 1), store.ErrUnavailable)
			if err := s.RecordUses(d.Context(), used); !errors.Is(err, store.ErrUnavailable) {
				d.Errorf("RecordUses = %v", err)
			}
			for range 2 { // the reserve is needed more than once
				if err := s.Close(); err != nil {
					d.Errorf("round %d: Close = %v", round, err)
				}
				s = mustOpen(d.T, d.options(), defaultHooks(d.options()))
				if got := s.Len(); uint64(got) != next-1 || s.Head().ID != next-1 {
					d.Fatalf("round %d: %d tokens after opening, want %d", round, got, next-1)
				}
				d.commit(s, benchBatch(next, 1), store.ErrUnavailable)
			}
			d.clear()
		}
		d.commit(s, benchBatch(next, 1000), nil)
		if err := s.Writable(); err != nil || s.disk.space.reserve.missing() > 0 {
			d.Errorf("Writable = %v, %d bytes of the reserve are missing", err, s.disk.space.reserve.missing())
		}
		if err := s.RecordUses(d.Context(), used); err != nil {
			d.Errorf("RecordUses = %v with space again", err)
		}
	})
}

// A disk that is small as a container's volume may be has room for a small store.
func TestSmallDisk(t *testing.T) {
	d := mountSmall(t, "size=64m,mode=0700")
	s := mustOpen(t, d.options(), defaultHooks(d.options()))
	d.commit(s, benchBatch(1, 100), nil)
	for next := uint64(101); next < 103; next++ {
		d.fill()
		d.commit(s, benchBatch(next, 1), store.ErrUnavailable)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = mustOpen(t, d.options(), defaultHooks(d.options()))
		d.commit(s, benchBatch(next, 1), store.ErrUnavailable)
		d.clear()
		d.commit(s, benchBatch(next, 1), nil)
	}
}

// untilRest waits for Badger to be done. A disk that is filled before is met by
// TestDiskFillsUp.
func (d *smallDisk) untilRest(s *Store) {
	d.Helper()
	late := time.After(time.Minute)
	for !s.disk.rests() {
		select {
		case <-late:
			d.Fatal("Badger does not come to rest")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (d *smallDisk) commit(s *Store, b store.Batch, want error) {
	d.Helper()
	if err := s.Commit(d.Context(), b); !errors.Is(err, want) {
		d.Fatalf("Commit = %v, want %v", err, want)
	}
}

// Others fill the disk while a process commits as fast as it can. It may die of
// that, but its successor opens the store on the full disk, with all that was
// acknowledged.
func TestDiskFillsUp(t *testing.T) {
	onSmallDisks(t, func(d *smallDisk) {
		for round := range 2 {
			acknowledged := killAfterHook(d.T, d.options().Path, 20, d.fill)
			s := mustOpen(d.T, d.options(), smallHooks(d.options()))
			if last := checkNumbered(d.T, s); last != acknowledged && last != acknowledged+1 {
				d.Errorf("round %d: batch %d is the last, %d was acknowledged", round, last, acknowledged)
			}
			if err := s.Close(); err != nil {
				d.Errorf("round %d: Close = %v", round, err)
			}
			d.clear()
		}
	})
}

// A file system that has turned read-only after an error, and one that was
// mounted so.
func TestReadOnlyDisk(t *testing.T) {
	onSmallDisks(t, func(d *smallDisk) {
		s, err := Open(d.Context(), d.options())
		if err != nil {
			d.Fatal(err)
		}
		d.commit(s, benchBatch(1, 10), nil)
		if trigger := d.errorTrigger(); trigger != "" {
			if err := os.WriteFile(trigger, []byte("1"), 0o200); err != nil {
				d.Fatal(err)
			}
			d.commit(s, benchBatch(11, 1), store.ErrUnavailable)
			if err := s.Writable(); !errors.Is(err, unix.EROFS) {
				d.Errorf("Writable = %v", err)
			}
			if _, ok := s.ByKey(benchBatch(1, 1).Put[0].Key()); !ok {
				d.Error("a token is not found any more")
			}
			return // Badger does not end any more, only its process does
		}
		if err = errors.Join(s.Close(), unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")); err != nil {
			d.Fatal(err)
		}
		_, err = Open(d.Context(), d.options())
		if !errors.Is(err, unix.EROFS) {
			d.Errorf("Open = %v, want EROFS", err)
		}
	})
}

// errorTrigger is the file of sysfs that makes ext4 find an error.
func (d *smallDisk) errorTrigger() string {
	var st unix.Stat_t
	if err := unix.Stat(d.dir, &st); err != nil {
		d.Fatal(err)
	}
	device, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return "" // of memory
	}
	return "/sys/fs/ext4/" + filepath.Base(device) + "/trigger_fs_error"
}

// A store that fills a file system has nothing beside it on its disk.
func TestOwnFileSystem(t *testing.T) {
	onSmallDisks(t, func(d *smallDisk) {
		_ = os.Remove(d.dir + "/lost+found")
		if _, err := Open(d.Context(), testOptions(d.dir)); err == nil {
			d.Error("opened")
		}
	})
}
