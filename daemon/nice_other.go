//go:build !linux

package daemon

// behind does something. Only Linux has threads that come after others.
func behind(do func() error) error { return do() }
