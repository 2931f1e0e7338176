package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// warden decides on the system calls by which a daemon touches files. The
// kernel asks it about each before it is made (seccomp_unotify(2)).
type warden struct {
	// decide is called with the number of a call on a file of the machine,
	// counted since count, and its own.
	decide func(n int, call int32) action
	// always is decided on calls at any time.
	always map[int32]action
	// only is how the files are called that calls are counted on, as for
	// filepath.Match; empty: all of the machine.
	only string

	mu      sync.Mutex
	counted int
	counts  bool

	pair  [2]*os.File // to be given the listener through
	ended chan struct{}
}

type action int

const (
	permit action = iota
	refuse        // with EIO
	lie           // it is not made, and said to have succeeded
	murder        // it is not made, the process is killed
)

// watched are the system calls that a warden is asked about: those of all that
// Go, Badger and tokendrop call by which a file is opened, written, made durable,
// renamed or removed.
var watched = []uint32{
	unix.SYS_OPENAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT, unix.SYS_LINKAT,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC,
	unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_MMAP, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN,
}

// syncs are those of them that make something durable.
var syncs = []int32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC}

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	dataCall = 0
	dataArg4 = 16 + 4*8
)

// filter asks about calls that are watched, but for memory that is no file's.
func filter() []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	program := []unix.SockFilter{load(dataCall), equal(unix.SYS_MMAP, 0, 3), load(dataArg4), equal(^uint32(0), 0, 1), ret(unix.SECCOMP_RET_ALLOW), load(dataCall)}
	for i, call := range watched {
		program = append(program, equal(call, len(watched)-i, 0))
	}
	return append(program, ret(unix.SECCOMP_RET_ALLOW), ret(unix.SECCOMP_RET_USER_NOTIF))
}

// underWarden begins the task anew as a process that is watched.
func underWarden(t task) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, taskVariable+"=") })
	env = append(env, taskVariable+"="+string(text))
	program := filter()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread() // the filter is this thread's, and so what exec makes of it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	// From here to exec nothing may be called that the filter asks about: there
	// is nobody yet who answers.
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("installing the filter: %w", errno)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("sending the listener: %w", err)
	}
	_ = unix.Close(int(listener))
	_ = unix.Close(3)
	return syscall.Exec("/proc/self/exe", os.Args, env)
}

// requireWarden skips a test where the kernel asks nobody.
func requireWarden(t *testing.T) {
	actions, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	if err == nil && strings.Contains(string(actions), "user_notif") {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the kernel does not ask about system calls: ", err)
	}
	t.Skip("the kernel does not ask about system calls")
}

// attach prepares a command to be watched.
func (w *warden) attach(cmd *exec.Cmd) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.pair = [2]*os.File{os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")}
	cmd.ExtraFiles = []*os.File{w.pair[1]}
	w.ended = make(chan struct{})
	return nil
}

// begin answers until the process has ended.
func (w *warden) begin(ctx context.Context, root string) {
	_ = w.pair[1].Close()
	go func() {
		defer close(w.ended)
		listener, err := w.receive()
		if err != nil {
			return // the process says why
		}
		defer unix.Close(listener)
		for ctx.Err() == nil && w.answer(listener, root) {
		}
	}()
}

func (w *warden) end() { <-w.ended }

func (w *warden) receive() (listener int, err error) {
	conn, err := net.FileConn(w.pair[0])
	_ = w.pair[0].Close()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(errors.New("no listener came"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// notification and response are struct seccomp_notif and seccomp_notif_resp
// (seccomp_unotify(2)).
type notification struct {
	id         uint64
	pid, flags uint32
	call       int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// answer answers one question; false: there will be no more.
func (w *warden) answer(listener int, root string) bool {
	poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, -1); errors.Is(err, unix.EINTR) {
		return true
	} else if err != nil || poll[0].Revents&unix.POLLIN == 0 {
		return false
	}
	var asked notification
	if err := control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&asked)); err != nil {
		return errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOENT) // it was killed meanwhile
	}
	resp := response{id: asked.id}
	switch w.judge(&asked, root) {
	case permit:
		resp.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case refuse:
		resp.err = -int32(unix.EIO)
	case murder:
		_ = unix.Kill(int(asked.pid), unix.SIGKILL) // a thread's number will do
		resp.err = -int32(unix.EIO)
	case lie:
	}
	_ = control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp)) // unless it is gone
	return true
}

func control(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func (w *warden) judge(asked *notification, root string) action {
	if a, ok := w.always[asked.call]; ok {
		return a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.counts || !w.means(file(asked), root) {
		return permit
	}
	w.counted++
	return w.decide(w.counted, asked.call)
}

// means tells whether calls on a file are counted.
func (w *warden) means(path, root string) bool {
	if w.only == "" {
		return strings.HasPrefix(path, root)
	}
	ok, _ := filepath.Match(w.only, path)
	return ok
}

// count counts calls from now on.
func (w *warden) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts, w.counted = true, 0
}

// stop counts no more, and returns how many there were.
func (w *warden) stop() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts = false
	return w.counted
}

// file is what a call is about, or the directory that it is in.
func file(asked *notification) string {
	fd := asked.args[0]
	switch asked.call {
	case unix.SYS_MSYNC:
		return addressed(asked)
	case unix.SYS_MMAP:
		fd = asked.args[4]
	case unix.SYS_OPENAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT, unix.SYS_LINKAT, unix.SYS_FCHMODAT:
		if path := text(asked); filepath.IsAbs(path) {
			return path
		}
	}
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", asked.pid, int32(fd)))
	return path
}

// text is the path that is a call's second argument.
func text(asked *notification) string {
	buf := make([]byte, 512)
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	n, _ := unix.ProcessVMReadv(int(asked.pid), local, []unix.RemoteIovec{{Base: uintptr(asked.args[1]), Len: len(buf)}}, 0)
	path, _, _ := bytes.Cut(buf[:max(n, 0)], []byte{0})
	return string(path)
}

// addressed is the file that is mapped where a call's first argument points.
func addressed(asked *notification) string {
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", asked.pid))
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x ", &from, &to); err == nil && from <= asked.args[0] && asked.args[0] < to {
			return strings.TrimSpace(line[strings.Index(line, "/"):])
		}
	}
	return ""
}
