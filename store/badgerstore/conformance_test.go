package badgerstore_test

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		o := badgerstore.Options{Path: t.TempDir() + "/store", Log: zerolog.Nop()}
		return func() (store.Store, error) { return badgerstore.Open(t.Context(), o) }
	})
}
