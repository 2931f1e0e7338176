package speed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server is a process that answers.
type server struct {
	name    string
	address netip.AddrPort
	status  int // of a yes
	process *os.Process
	// started is how long it took from its start until it answered.
	started time.Duration

	in  io.Writer // nil for a program that is not ours
	out *bufio.Scanner
}

// start runs a server on the first processor until the benchmark ends. It must
// be called by whoever keeps to its thread.
func start(b *testing.B, name string, status int, command func(address string) *exec.Cmd) *server {
	b.Helper()
	s := &server{name: name, status: status, address: free(b)}
	cmd := command(s.address.String())
	cmd.Stderr = os.Stderr
	// The kernel ends it if this process dies before it can.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if strings.HasPrefix(name, "nginx") {
		began := time.Now()
		s.run(b, cmd)
		s.await(b, began)
		return s
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	s.in, s.out = in, bufio.NewScanner(out)
	began := time.Now()
	s.run(b, cmd)
	s.told(b)
	s.started = time.Since(began)
	return s
}

// run starts the process where load does not come from, and sees to its end.
func (s *server) run(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	pin(b, 0)
	err := cmd.Start()
	pin(b, runtime.NumCPU()-1)
	if err != nil {
		b.Fatal(err)
	}
	s.process = cmd.Process
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
	})
}

// alone keeps the caller to a thread of its own, on the processor that load
// comes from. The function that it returns undoes that.
func alone(b *testing.B) (undo func()) {
	b.Helper()
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	pin(b, runtime.NumCPU()-1)
	return func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	}
}

// pin binds the calling thread, and what it starts from now on, to a processor.
func pin(b *testing.B, cpu int) {
	b.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
}

// free is an address that nobody listens on.
func free(b *testing.B) netip.AddrPort {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// await waits until somebody listens.
func (s *server) await(b *testing.B, began time.Time) {
	b.Helper()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for time.Since(began) < 2*time.Minute {
		if conn, err := net.Dial("tcp", s.address.String()); err == nil {
			s.started = time.Since(began)
			_ = conn.Close()
			return
		}
		<-retry.C
	}
	b.Fatalf("%s does not answer", s.name)
}

// ours is the test binary as a server.
func ours(place string) func(address string) *exec.Cmd {
	return func(address string) *exec.Cmd {
		text, _ := json.Marshal(task{place, address}) // strings only
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
		return cmd
	}
}

// used asks what the process has used since its start.
func (s *server) used(b *testing.B) used {
	b.Helper()
	if s.in == nil {
		return used{CPU: s.ticks(b)}
	}
	if _, err := s.in.Write([]byte("\n")); err != nil {
		b.Fatal(err)
	}
	return s.told(b)
}

func (s *server) told(b *testing.B) (u used) {
	b.Helper()
	if !s.out.Scan() {
		b.Fatalf("%s has ended", s.name)
	}
	if err := json.Unmarshal(s.out.Bytes(), &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// ticks is the processor time of a program that is not ours, in steps of 10 ms
// (proc_pid_stat(5)).
func (s *server) ticks(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is its memory in MiB.
func (s *server) resident(b *testing.B) float64 {
	b.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(statm))[1])
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}
