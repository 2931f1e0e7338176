package main

import "io/fs"

// keepPrivate does nothing: there, a file is open to whom its directory is.
func keepPrivate() {}

// readableByAll does not know: a mode says nothing there of who can read a file.
func readableByAll(fs.FileMode) bool { return false }
