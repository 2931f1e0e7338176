// Command tokendrop is the daemon and its command line. This is the only
// package that exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/config"
)

// The exit codes; 78 is EX_CONFIG of sysexits(3).
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78
)

// errNo ends a command that worked, and whose answer is no.
var errNo = errors.New("no")

func main() {
	keepPrivate()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	var c cli
	root := c.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNo):
		return exitFailed
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	fmt.Fprintln(os.Stderr, "tokendrop:", err)
	if errors.Is(err, daemon.ErrFormat) {
		return exitConfig
	}
	if !c.started {
		return exitUsage
	}
	return exitFailed
}
