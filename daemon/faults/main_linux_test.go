// Package faults kills, starves and cuts off a whole daemon while patches of
// every kind are dropped, and compares what is left with a model. It is tests
// only; the long run, of which README has the table, is:
//
//	go test ./daemon/faults -count=1 -v -timeout 1h -rounds 40
//
// Invariants:
//
//  1. The daemon is the whole one, in a process of its own, with its store on
//     disk. It is not told that it is tested: faults come to it from the kernel,
//     as signals, as errors of system calls and as disks.
//  2. The model knows nothing but what was dropped, and which outcomes were seen:
//     those are acknowledged. Of what was not, the ledger tells whether it has
//     happened, and it may not have only where the power cut took the file itself.
//  3. After each fault a daemon is started on what is left, and every patch and
//     every credential that there ever was is looked at.
//  4. What would not be found proves nothing: a daemon whose syncs are lies has to
//     lose something in a power cut.
//
// Where it has the right to, the test binary runs in a mount namespace of its
// own, so that no disk of it outlives it.
package faults

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
)

var rounds = flag.Int("rounds", 0, "rounds of each fault; 0: the fewest that show something")

// task is what the test binary does in the place of tests if the variable
// taskVariable has it.
type task struct {
	Root string // of a machine
	// Warden: its system calls are watched by whoever has the other end of the
	// socket that is its file 3.
	Warden bool
}

const (
	taskVariable  = "TOKENDROP_FAULTS_TASK"
	apartVariable = "TOKENDROP_FAULTS_APART"
)

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		moveApart()
		os.Exit(m.Run())
	}
	if err := serve(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// moveApart begins anew in a mount namespace, if that is permitted.
func moveApart() {
	if os.Getenv(apartVariable) != "" {
		return
	}
	runtime.LockOSThread() // which is the one that the namespace is for, and that exec goes on with
	defer runtime.UnlockOSThread()
	if unix.Unshare(unix.CLONE_NEWNS) != nil || unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") != nil {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), apartVariable+"=1"))
}

// serve is a daemon, which says on stdout when it is ready.
func serve(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	if t.Warden {
		t.Warden = false
		return underWarden(t)
	}
	syscall.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return daemon.Run(ctx, configuration(t.Root), daemon.Options{
		Log:     zerolog.New(os.Stderr).Level(zerolog.WarnLevel),
		OnReady: func() { fmt.Fprintln(os.Stdout, "ready") },
	})
}

// The drop directories of a machine. The disk is the one that faults are done
// to, and has the store.
const (
	onDisk = "disk/drop"
	beside = "drop"
	kept   = "kept"
)

func configuration(root string) *config.Config {
	cfg := config.Default()
	cfg.Store.Path, cfg.Admin.Socket = root+"/disk/store", root+"/admin.sock"
	cfg.Verify.Listen = []config.Address{{Network: "unix", Address: root + "/verify.sock"}}
	one := cfg.Drops[0]
	one.Rules.OutputDirs = []string{root + "/disk/out"}
	cfg.Drops = nil
	for _, dir := range []string{onDisk, beside, kept} {
		one.Name, one.Path = dir, root+"/"+dir
		if one.AfterApply = patches.Rename; dir == kept {
			one.AfterApply = patches.Keep
		}
		cfg.Drops = append(cfg.Drops, one)
	}
	return cfg
}
