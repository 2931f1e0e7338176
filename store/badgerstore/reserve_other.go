//go:build !linux

package badgerstore

import "os"

// allocate gives a file its first bytes.
func allocate(f *os.File, bytes int64) error { return fill(f, bytes) }
