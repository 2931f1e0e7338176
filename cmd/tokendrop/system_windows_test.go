package main

import (
	"errors"
	"syscall"
	"testing"
)

// What only tests of a daemon use, which newMachine skips.

type credential struct{ Uid, Gid uint32 }

func groupAs(*credential) *syscall.SysProcAttr { return nil }

func killGroup(int) error { return errors.ErrUnsupported }

func endGroup(int) error { return errors.ErrUnsupported }

func standStill(t *testing.T, _ int) (goOn func()) {
	t.Fatal(errors.ErrUnsupported)
	return nil
}
