//go:build unix

package badgerstore

import (
	"testing"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		o := testOptions(t.TempDir() + "/store")
		return func() (store.Store, error) { return Open(t.Context(), o) }
	})
}

// With small memtables more batches are staged, and tables are compacted.
func TestConformanceSmall(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		o := testOptions(t.TempDir() + "/store")
		return func() (store.Store, error) { return open(t.Context(), o, smallHooks(o)) }
	})
}
