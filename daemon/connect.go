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
	"github.com/tokendrop/tokendrop/store"
)

var errMemory = errors.New("no daemon is running, and a store in memory is gone with its daemon; start \"tokendrop serve\"")

// Connect gives the running daemon's answers or, where none runs, those of
// its store, which it opens as its owner. The caller calls the returned
// function when done.
func Connect(ctx context.Context, cfg *config.Config, log zerolog.Logger) (admin.Service, func() error, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", cfg.Admin.Socket)
	switch {
	case err == nil:
		return admin.NewClient(cfg.Admin.Socket), func() error { return nil }, conn.Close()
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, fmt.Errorf("asking the daemon at %s: %w", cfg.Admin.Socket, cause(err))
	case cfg.Store.Backend == config.Memory:
		return nil, nil, errMemory
	}
	author := admin.UserName(uint32(os.Getuid()))
	keys, err := readKeys(cfg) // which its owner may not be able to
	if err != nil {
		return nil, nil, err
	}
	if err := becomeOwner(cfg.Store.Path); err != nil {
		return nil, nil, fmt.Errorf("no daemon is running at %s; opening its store at %s: %w", cfg.Admin.Socket, cfg.Store.Path, err)
	}
	st, err := OpenStore(ctx, cfg.Store, log)
	if err != nil {
		return nil, nil, err
	}
	if err := keys.recognizes(st, cfg); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return local(cfg, st, keys, author, log), st.Close, nil
}

// local answers from a store that no daemon has.
func local(cfg *config.Config, st store.Store, keys keys, author string, log zerolog.Logger) *admin.Local {
	rules := cfg.Gates()
	l := &admin.Local{
		Store: st, Formats: cfg.Tokens.Formats, Keys: keys.ring, Seal: keys.seal, Rules: func() *verify.Rules { return rules },
		Now: time.Now, Applier: newApplier(st, keys.settings(cfg)), Uses: st, Author: author,
	}
	l.Backend, l.Path = storePlace(cfg)
	counted := metrics.New(metrics.Source{}, time.Now) // and shown to nobody
	directories := unwatched(cfg, func(c patches.Config) *patches.Dir {
		return patches.New(c, worker{l.Applier, counted, log}, log)
	})
	l.Directories = func() []admin.Directory { return directories }
	return l
}

// becomeOwner gives up root for the user that the store belongs to, whose
// daemon could not open what root leaves in there.
func becomeOwner(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return cause(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	if err := syscall.Setgroups([]int{int(owner.Gid)}); err != nil {
		return fmt.Errorf("becoming its owner: %w", err)
	}
	if err := syscall.Setgid(int(owner.Gid)); err != nil {
		return fmt.Errorf("becoming its owner: %w", err)
	}
	if err := syscall.Setuid(int(owner.Uid)); err != nil {
		return fmt.Errorf("becoming its owner: %w", err)
	}
	return nil
}
