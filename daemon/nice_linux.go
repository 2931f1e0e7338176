package daemon

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// niceness is how much less of a processor whoever applies patches, or looks
// through all tokens, gets than whoever answers, where there is not enough for
// both (sched(7)): a third. A unit that filters system calls has to leave
// setpriority(2).
const niceness = 5

// behind does something on a thread of its own that comes after the others. The
// thread ends with it: nobody may take a thread back to the front.
func behind(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		thread := unix.Gettid()
		if kernel, err := unix.Getpriority(unix.PRIO_PROCESS, thread); err == nil {
			// The system call has 20 for 0, and 1 for 19. To be less nice is no
			// reason not to work.
			_ = unix.Setpriority(unix.PRIO_PROCESS, thread, 20-kernel+niceness)
		}
		done <- do()
	}()
	return <-done
}
