package daemon

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Who applies comes after who answers, and nobody else does.
func TestBehind(t *testing.T) {
	nice := func() int {
		kernel, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Error(err)
		}
		return 20 - kernel
	}
	before, failed := nice(), errors.New("failed")
	err := behind(func() error {
		if got := nice(); got != min(before+niceness, 19) {
			t.Errorf("niceness %d, want %d more than %d", got, niceness, before)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	for range 10 { // on whichever thread
		after := make(chan int)
		go func() { after <- nice() }()
		if got := <-after; got != before {
			t.Errorf("niceness %d afterwards, want %d", got, before)
		}
	}
}
