//go:build unix

package badgerstore

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// fullDisk is a disk of which others have left that much.
type fullDisk struct{ free uint64 }

func (d *fullDisk) keeper(t *testing.T, size uint64) *keeper {
	t.Helper()
	held := uint64(0)
	r, err := openReserve(t.TempDir()+"/store", size, func(_ *os.File, bytes int64) error {
		more := uint64(bytes) - held
		if more > d.free {
			return syscall.ENOSPC
		}
		held, d.free = uint64(bytes), d.free-more
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.close() })
	return &keeper{reserve: r, free: func(string) (uint64, error) {
		if held > r.held { // it was given up
			d.free += held - r.held
			held = r.held
		}
		return d.free, nil
	}}
}

// Invariant 3: what the reserve does while others fill a disk and clear it.
func TestReserve(t *testing.T) {
	const size, mib = 64 << 20, 1 << 20
	d := &fullDisk{free: 200 * mib}
	k := d.keeper(t, size)
	step := func(what string, err error, fails bool, free, held uint64) {
		t.Helper()
		if errors.Is(err, store.ErrUnavailable) != fails || d.free != free*mib || k.reserve.held != held*mib {
			t.Fatalf("%s: %v, %d MiB are free, %d MiB in reserve; want %d and %d", what, err, d.free/mib, k.reserve.held/mib, free, held)
		}
	}
	step("more than there is, with the reserve", k.admit(137*mib), true, 200, 0)
	step("looking takes nothing", k.check(136*mib), false, 200, 0)
	step("a first commit", k.admit(136*mib), false, 136, 64)
	step("another", k.admit(136*mib), false, 136, 64)
	step("opening with room", k.lend(100*mib), false, 136, 64)
	d.free = 10 * mib
	step("a commit on a full disk", k.admit(64*mib), true, 10, 64)
	step("opening on a full disk", k.lend(64*mib), false, 74, 0)
	step("a commit then", k.admit(64*mib), true, 74, 0)
	d.free = 20 * mib // others were faster
	k.takeBack()
	step("what is left", nil, false, 4, 16)
	k.takeBack()
	step("what is left, again", nil, false, 4, 16)
	step("opening without enough", k.lend(64*mib), true, 20, 0)
	k.takeBack()
	d.free = 108 * mib
	step("a commit with too little room for the rest", k.admit(64*mib), true, 108, 16)
	d.free = 112 * mib
	step("a commit with room again", k.admit(64*mib), false, 64, 64)
}

// What Badger may take follows what the store has, which is estimated while
// little is written, and is bounded. What was refused is no bar for less.
func TestSpaceFollowsTheStore(t *testing.T) {
	const mib = 1 << 20
	d := &fullDisk{free: 1 << 30}
	k := d.keeper(t, 0)
	stored := uint64(0)
	k.measure = func() (uint64, error) { return stored, nil }
	for _, step := range []struct {
		stored, writes uint64
		fails          bool
		bound, reserve uint64
	}{
		{0, 0, false, 16, 16},
		{100, 2, false, 18, 24}, // not measured yet
		{100, 4000, true, 18, 24},
		{100, 6, false, 24, 24},
		{10, 2, false, 38, 40}, // 10 and 1
		{100, 6, false, 44, 48},
		{100, 2, false, 128, 128},
	} {
		stored = step.stored * mib
		if err := k.begin(step.writes * mib); (err != nil) != step.fails {
			t.Fatal(step, err)
		}
		if got := k.bound() / mib; got != step.bound || k.reserve.size/mib != step.reserve {
			t.Errorf("%+v: bound to %d MiB with %d in reserve", step, got, k.reserve.size/mib)
		}
	}
}

// What was given up is taken back when Badger rests, unless it is closed before.
func TestReserveWaits(t *testing.T) {
	d := &fullDisk{free: 64 << 20}
	k := d.keeper(t, 64<<20)
	k.lent = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.takeBackOnce(ctx, func() bool { return false })
	if k.reserve.held != 0 {
		t.Error("the reserve was taken from a Badger at work")
	}
	k.takeBackOnce(t.Context(), func() bool { return true })
	if k.reserve.held != 64<<20 {
		t.Errorf("%d bytes are in reserve", k.reserve.held)
	}
}

// The reserve is there, and is a file's: for the owner, of its full size, also
// where it has to be written.
func TestReserveIsAllocated(t *testing.T) {
	for name, allocate := range map[string]func(*os.File, int64) error{"allocated": allocate, "written": fill} {
		path := t.TempDir() + "/store"
		r, err := openReserve(path, 2*reserveStep, allocate)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.take(); err != nil {
			t.Fatal(err)
		}
		_ = r.close()
		var st syscall.Stat_t
		if err := syscall.Stat(reservePath(path), &st); err != nil {
			t.Fatal(err)
		}
		if st.Blocks*512 < 2*reserveStep || st.Mode&0o777 != 0o600 {
			t.Errorf("%s: %d blocks, mode %o", name, st.Blocks, st.Mode)
		}
		r, err = openReserve(path, 2*reserveStep, allocate)
		if err != nil || r.missing() != 0 {
			t.Errorf("%s: opened again, %d bytes are missing, %v", name, r.missing(), err)
		}
		if err := r.giveUp(); err != nil || r.missing() != 2*reserveStep {
			t.Errorf("%s: given up, %d bytes are missing, %v", name, r.missing(), err)
		}
		_ = r.close()
	}
}
