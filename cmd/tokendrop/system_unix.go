//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// keepPrivate keeps what is made from others, until its maker says otherwise.
func keepPrivate() { syscall.Umask(0o077) }

// readableByAll tells whether others can read a file, by its mode.
func readableByAll(mode fs.FileMode) bool { return mode&0o004 != 0 }
