// Package speed measures verify from outside, against servers that do less: the
// fastest that net/http can be, and nginx with its own map. It is benchmarks
// only:
//
//	go test ./daemon/speed -run '^$' -bench .
//
// Invariants:
//
//  1. Each server is a process of its own, alone on the first processor of the
//     machine; all load comes from the last one.
//  2. What is compared takes turns within one run; what is said is the median of
//     the rounds.
//  3. The daemon is the whole one, with its store on disk, its metrics, and the
//     uses of tokens counted; its answers are the whole ones.
package speed

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/config"
)

// task is what the test binary does in the place of benchmarks if the variable
// taskVariable has it.
type task struct {
	// Place is the directory of a daemon; empty: an empty handler is served.
	Place   string
	Address string // to listen on
}

const taskVariable = "TOKENDROP_SPEED_TASK"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		os.Exit(m.Run())
	}
	if err := serve(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve serves until nobody reads what it says, and says what it has used
// whenever a line comes.
func serve(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- t.run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	out, in := json.NewEncoder(os.Stdout), bufio.NewScanner(os.Stdin)
	for again := true; again; again = in.Scan() {
		if err := out.Encode(usedSoFar()); err != nil {
			break
		}
	}
	stop()
	return <-ended
}

func (t *task) run(ctx context.Context, ready func()) error {
	if t.Place == "" {
		return serveEmpty(ctx, t.Address, ready)
	}
	cfg := config.Default()
	cfg.Store.Path, cfg.Drops[0].Path, cfg.Admin.Socket = t.Place+"/store", t.Place+"/drop", t.Place+"/admin.sock"
	cfg.Verify.Listen = []config.Address{{Network: "tcp", Address: t.Address}}
	return daemon.Run(ctx, cfg, daemon.Options{Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel), OnReady: ready})
}

// serveEmpty answers 204, which is the least that net/http can.
func serveEmpty(ctx context.Context, address string, ready func()) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})}
	ready()
	go func() { _ = server.Serve(l) }()
	<-ctx.Done()
	return server.Close()
}

// used is what a process has used since its start.
type used struct {
	CPU     time.Duration
	Mallocs uint64
}

func usedSoFar() used {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails for a bad argument only
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used{time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs}
}
