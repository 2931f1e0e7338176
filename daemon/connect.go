package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/metrics"
	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/store/swapstore"
)

// ErrNoStore says that neither a daemon nor a store is there.
var ErrNoStore = errors.New("there is no store")

var errMemory = errors.New("no daemon is running, and a store in memory is gone with its daemon; start \"tokendrop serve\"")

// Connect gives the running daemon's answers or, where none runs, those of
// its store, which it opens as its owner. The caller calls the returned
// function when done.
func Connect(ctx context.Context, cfg *config.Config, log zerolog.Logger) (admin.Service, func() error, error) {
	if err := Supported(); err != nil {
		return nil, nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", cfg.Admin.Socket)
	switch {
	case err == nil:
		return admin.NewClient(cfg.Admin.Socket), func() error { return nil }, conn.Close()
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, fmt.Errorf("asking the daemon at %s: %w", cfg.Admin.Socket, cause(err))
	case cfg.Store.Backend == config.Memory:
		return nil, nil, errMemory
	}
	author := patches.UserName(uint32(os.Getuid()))
	keys, err := readKeys(cfg) // which its owner may not be able to
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(cfg.Store.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("no daemon is running at %s, and %w at %s", cfg.Admin.Socket, ErrNoStore, cfg.Store.Path)
	}
	regain, err := becomeOwner(cfg.Store.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("no daemon is running at %s; opening its store at %s: %w", cfg.Admin.Socket, cfg.Store.Path, err)
	}
	st, err := openStore(ctx, cfg.Store, log)
	if err != nil {
		return nil, nil, errors.Join(err, regain())
	}
	if err := keys.recognizes(st, cfg); err != nil {
		return nil, nil, errors.Join(err, st.Close(), regain())
	}
	swap := swapstore.New(st)
	return local(cfg, swap, keys, author, log), func() error { return errors.Join(swap.Close(), regain()) }, nil
}

// local answers from a store that no daemon has.
func local(cfg *config.Config, st *swapstore.Store, keys keys, author string, log zerolog.Logger) *admin.Local {
	rules := cfg.Gates()
	l := &admin.Local{
		Store: st, Formats: cfg.Tokens.Formats, Keys: keys.ring, Seal: keys.seal, Rules: func() *verify.Rules { return rules },
		Now: time.Now, Applier: newApplier(st, keys.settings(cfg), time.Now), Uses: st, Author: author,
	}
	placeStore(l, cfg)
	l.Vault = &vault{cfg: cfg, keys: keys, store: st, applier: l.Applier, log: log}
	counted := metrics.New(metrics.Source{}, time.Now) // and shown to nobody
	directories := unwatched(cfg, func(c patches.Config) *patches.Dir {
		return patches.New(c, worker{l.Applier, counted, log}, log)
	})
	l.Directories = func() []admin.Directory { return directories }
	return l
}
