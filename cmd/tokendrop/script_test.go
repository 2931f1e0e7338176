package main

import (
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the outputs that scripts compare with anew")

// The command line, as scripts. Each runs in a directory of its own.
func TestScripts(t *testing.T) {
	needDaemon(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",

		UpdateScripts: *update,

		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "broken": broken, "nobody": asNobody, "serve": serve, "quit": quit, "vanish": vanish},
		Condition: func(name string) (bool, error) {
			holds, known := map[string]bool{"root": os.Geteuid() == 0, "pty": has("script")}[name]
			if !known {
				return false, errors.New("there is no such condition")
			}
			if !holds && os.Getenv("CI") == "true" {
				return false, errors.New("nothing may be missing here")
			}
			return holds, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("TOKENDROP_STORE_PATH", env.WorkDir+"/store")
			env.Setenv("TOKENDROP_ADMIN_SOCKET", env.WorkDir+"/sock")
			env.Setenv("NOTIFY_SOCKET", env.WorkDir+"/notify")
			env.Values[daemonKey{}] = new(exec.Cmd)
			return nil
		},
	})
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// status CODE COMMAND... runs a command that ends with that exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v ends with %d, want %s", args[1:], code, args[0])
	}
}

// broken CODE COMMAND... runs a command whose stdout nobody reads, as that of a
// command before "head" is. The code of one that ends by the signal is -1.
func broken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: broken CODE COMMAND...")
	}
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	defer w.Close()
	cmd := scriptCommand(ts, exec.Command(args[1], args[2:]...))
	cmd.Stdout = w
	expectCode(ts, cmd, args[0])
}

// asNobody CODE COMMAND... runs a command as a user who owns nothing.
func asNobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nobody CODE COMMAND...")
	}
	binary := ts.MkAbs("bin/tokendrop") // nobody cannot reach the test's
	if _, err := os.Stat(binary); err != nil {
		self, err := os.Executable()
		ts.Check(err)
		ts.Check(os.Mkdir(ts.MkAbs("bin"), 0o755))
		ts.Check(copyProgram(self, binary))
		for _, dir := range []string{ts.MkAbs("."), filepath.Dir(ts.MkAbs("."))} {
			ts.Check(os.Chmod(dir, 0o755))
		}
	}
	cmd := scriptCommand(ts, exec.Command(binary, args[1:]...))
	cmd.SysProcAttr = groupAs(&credential{Uid: nobody, Gid: nobody})
	expectCode(ts, cmd, args[0])
}

func scriptCommand(ts *testscript.TestScript, cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), os.Environ(), ts.Stdout(), ts.Stderr()
	for _, name := range scriptEnv {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func expectCode(ts *testscript.TestScript, cmd *exec.Cmd, want string) {
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok && err != nil {
		ts.Fatalf("%v", err)
	}
	if got := cmd.ProcessState.ExitCode(); strconv.Itoa(got) != want {
		ts.Fatalf("%v ends with %d, want %s", cmd.Args, got, want)
	}
}

// scriptEnv are the variables of the scripts that commands need.
var scriptEnv = []string{"TOKENDROP_STORE_PATH", "TOKENDROP_ADMIN_SOCKET", "NOTIFY_SOCKET", "TOKENDROP_CONFIG"}

// daemonKey is for the daemon that a script has started.
type daemonKey struct{}

// serve starts a daemon with these arguments, and waits until it says that it
// is ready, as systemd does.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: serve [ARGUMENT...]")
	}
	_ = os.Remove(ts.Getenv("NOTIFY_SOCKET")) // of an earlier one
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.Getenv("NOTIFY_SOCKET"), Net: "unixgram"})
	ts.Check(err)
	defer notify.Close()
	ts.Check(notify.SetReadDeadline(time.Now().Add(patience)))
	cmd := ts.Value(daemonKey{}).(*exec.Cmd)
	*cmd = *exec.Command("tokendrop", append([]string{"serve"}, args...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), os.Environ()
	for _, name := range scriptEnv {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // unless it was stopped
		_ = cmd.Wait()
	})
	for buf := make([]byte, 4096); ; {
		n, err := notify.Read(buf)
		ts.Check(err)
		if strings.Contains(string(buf[:n]), "READY=1") {
			return
		}
	}
}

// quit ends the daemon of the script, and expects it to like that. (testscript has
// a stop of its own, which ends the script.)
func quit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: quit")
	}
	cmd := ts.Value(daemonKey{}).(*exec.Cmd)
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	ts.Check(cmd.Wait())
}

// vanish takes the place of the daemon of the script, and dies with every request
// before it answers.
func vanish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: vanish")
	}
	l, err := net.Listen("unix", ts.Getenv("TOKENDROP_ADMIN_SOCKET"))
	ts.Check(err)
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as one that has begun to do it
		panic(http.ErrAbortHandler)
	})}
	go func() { _ = s.Serve(l) }()
	ts.Defer(func() { _ = s.Close() })
}
