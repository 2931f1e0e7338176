package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// Modes of sockets, and of the directories that are made for them. A verify
// socket is open to all: what it says, it says to whoever has a token.
const (
	adminMode      fs.FileMode = 0o600
	adminGroupMode fs.FileMode = 0o660
	verifyMode     fs.FileMode = 0o666
	socketDirMode  fs.FileMode = 0o755
)

var errSocketInUse = errors.New("another process listens on it; stop that one, or configure another path")

// listenVerify opens an address for /verify.
func listenVerify(ctx context.Context, a config.Address) (net.Listener, error) {
	if a.Network == "unix" {
		return listenUnix(ctx, a.Address, verifyMode)
	}
	l, err := new(net.ListenConfig).Listen(ctx, a.Network, a.Address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", a, cause(err))
	}
	return l, nil
}

// listenAdmin opens the admin socket for the daemon's user and, where one is
// named, a group.
func listenAdmin(ctx context.Context, c config.Admin) (net.Listener, error) {
	if c.Group == "" {
		return listenUnix(ctx, c.Socket, adminMode)
	}
	gid, err := groupID(c.Group)
	if err != nil {
		return nil, fmt.Errorf("opening the admin socket to its group: %w", err)
	}
	l, err := listenUnix(ctx, c.Socket, adminMode)
	if err != nil {
		return nil, err
	}
	if err := openToGroup(c.Socket, gid); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf(`%w: the daemon's user has to be in it; under systemd run "systemctl edit tokendrop" and add SupplementaryGroups=%s and SystemCallFilter=@chown below [Service]`, err, c.Group)
		}
		return nil, errors.Join(fmt.Errorf("opening the admin socket to its group: %w", err), l.Close())
	}
	return l, nil
}

// openToGroup gives a socket to a group, whose members may use it then.
func openToGroup(path string, gid int) error {
	if err := os.Chown(path, -1, gid); err != nil {
		return err
	}
	return os.Chmod(path, adminGroupMode)
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// listenUnix makes a socket and, if need be, its directory. The process has a
// umask under which nobody else can open it before it has its mode.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, fmt.Errorf("listening on unix:%s: %w", path, cause(err))
	}
	if err := makeSocketDir(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	if err := removeStale(ctx, path); err != nil {
		return fail(err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return fail(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fail(errors.Join(err, l.Close()))
	}
	return l, nil
}

func makeSocketDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeSocketDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, socketDirMode); err != nil {
		return err
	}
	return os.Chmod(dir, socketDirMode) // whatever the umask is
}

// removeStale removes the socket of a daemon that was killed, and nothing
// else.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(errSocketInUse, conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// cause takes off what net and os put before an error, where the address or
// the path is named already.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
