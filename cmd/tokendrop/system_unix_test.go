//go:build unix

package main

import (
	"syscall"
	"testing"
)

type credential = syscall.Credential

// groupAs gives a process a group of its own and, unless it is nil, a user.
func groupAs(c *credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c}
}

func killGroup(leader int) error { return syscall.Kill(-leader, syscall.SIGKILL) }

func endGroup(leader int) error { return syscall.Kill(-leader, syscall.SIGTERM) }

// standStill stops a process in its tracks, a child of this one, until it may go
// on.
func standStill(t *testing.T, pid int) (goOn func()) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the daemon does not stand still: %v, %v", status, err)
	}
	return func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
}
