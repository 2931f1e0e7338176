package patches

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// opens tells which files are opened while a test runs.
type opens struct {
	t      *testing.T
	notify int
	paths  map[int32]string
}

func watchOpens(t *testing.T, paths ...string) *opens {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	o := &opens{t, fd, map[int32]string{}}
	for _, path := range paths {
		wd, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_ACCESS|unix.IN_MODIFY|unix.IN_ATTRIB)
		must(t, err)
		o.paths[int32(wd)] = path
	}
	return o
}

// none checks that nothing has happened to any of them.
func (o *opens) none() {
	o.t.Helper()
	defer unix.Close(o.notify)
	buf := make([]byte, 1<<12)
	if n, err := unix.Read(o.notify, buf); err == nil && n > 0 {
		o.t.Errorf("%s was opened or changed", o.paths[int32(buf[0])|int32(buf[1])<<8])
	}
}

// asBoth runs a test as it is, and again as an ordinary user.
func asBoth(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if _, child := asNobody(t, func(*dropDir) []*os.File { return nil }); !child {
		t.Run("root", test)
		return
	}
	test(t)
}

// hostile is something that a neighbour can put into a drop directory.
type hostile struct {
	name string
	// plant puts it there; out is a directory elsewhere, which has a file.
	plant func(t *testing.T, in, out string)
	said  int // how many times it is said that something is left alone
}

var hostiles = []hostile{
	{"link to a file", link("file.yaml", "x.yaml"), 1},
	{"link to a directory", link(".", "sub"), 0},
	{"link to a directory, like a patch", link(".", "sub.yaml"), 1},
	{"link through a directory", link("../out/file.yaml", "x.yaml"), 1},
	{"hidden link", link("file.yaml", ".x.yaml"), 0},
	{"dangling link", func(t *testing.T, in, _ string) { must(t, os.Symlink("none", in+"/x.yaml")) }, 1},
	{"loop", func(t *testing.T, in, _ string) { must(t, os.Symlink("x.yaml", in+"/x.yaml")) }, 1},
	{"link to itself above", func(t *testing.T, in, _ string) { must(t, os.Symlink("..", in+"/x.yaml")) }, 1},
	{"link to passwd", func(t *testing.T, in, _ string) { must(t, os.Symlink("/etc/passwd", in+"/x.yaml")) }, 1},
	{"hard link", func(t *testing.T, in, out string) { must(t, os.Link(out+"/file.yaml", in+"/x.yaml")) }, 1},
	{"FIFO", func(t *testing.T, in, _ string) { mkfifo(t, in+"/x.yaml") }, 1},
	{"socket", func(t *testing.T, in, _ string) {
		t.Chdir(in) // its whole path is too long for one
		l, err := net.Listen("unix", "x.yaml")
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
	}, 1},
	{"device", func(t *testing.T, in, _ string) {
		if unix.Geteuid() != 0 {
			t.Skip("only root can make one")
		}
		must(t, unix.Mknod(in+"/x.yaml", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	}, 1},
	{"name of 201 bytes", func(t *testing.T, in, _ string) { empty(t, in, strings.Repeat("n", 196)+".yaml") }, 1},
	{"name of 255 bytes", func(t *testing.T, in, _ string) { empty(t, in, strings.Repeat("n", 250)+".yaml") }, 1},
	{"name that is no text", func(t *testing.T, in, _ string) { empty(t, in, "\xc0\x80.yaml") }, 1},
	{"name of two lines", func(t *testing.T, in, _ string) { empty(t, in, "x\n{\"level\":\"error\"}.yaml") }, 1},
	{"name that moves the cursor", func(t *testing.T, in, _ string) { empty(t, in, "\x1b[2Jx.yaml") }, 1},
	{"directory named so", func(t *testing.T, in, _ string) {
		must(t, os.Mkdir(in+"/\x1b", 0o755))
		empty(t, in, "\x1b/x.yaml")
	}, 1},
	{"directory of its own", func(t *testing.T, in, _ string) {
		must(t, os.Mkdir(in+"/sub", 0o755))
		empty(t, in, "sub/x.yaml")
		must(t, unix.Chmod(in+"/sub", 0o1777))
	}, 1},
	{"directory that cannot be entered", func(t *testing.T, in, _ string) {
		if unix.Geteuid() == 0 {
			t.Skip("root can")
		}
		must(t, os.Mkdir(in+"/sub", 0o300))
	}, 1},
	{"tree too deep for a path", func(t *testing.T, in, _ string) {
		name := strings.Repeat("d", 100)
		fd, err := unix.Open(in, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		for range 60 {
			must(t, unix.Mkdirat(fd, name, 0o755))
			next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			must(t, err)
			_ = unix.Close(fd)
			fd = next
		}
		_ = unix.Close(fd)
	}, 1},
}

func link(to, name string) func(t *testing.T, in, out string) {
	return func(t *testing.T, in, out string) {
		must(t, os.Symlink(filepath.Join(out, to), filepath.Join(in, name)))
	}
}

func empty(t *testing.T, in, name string) {
	must(t, os.WriteFile(filepath.Join(in, name), nil, 0o644))
}

// Invariant 6: nothing outside is opened, nothing blocks, good patches beside
// it go on, and it is said once.
func TestHostile(t *testing.T) {
	asBoth(t, func(t *testing.T) {
		for _, h := range hostiles {
			t.Run(h.name, func(t *testing.T) {
				td := newDropDir(t)
				out := filepath.Join(filepath.Dir(td.path), "out")
				must(t, os.Mkdir(out, 0o755))
				must(t, os.WriteFile(filepath.Join(out, "file.yaml"), []byte("outside"), 0o600))
				td.Pass()
				h.plant(t, td.path, out)
				before := list(t, td.path)
				outside := watchOpens(t, out, filepath.Join(out, "file.yaml"))
				td.Drop("a.yaml", "a")
				td.Drop("z/z.yaml", "z")
				for range 3 {
					td.After(td.cfg.Rescan).Pass()
				}
				outside.none()
				td.Applied("a", "z")
				td.Logged("left alone", h.said)
				td.Logged("patch waits", 0)
				td.NoClaims()
				for _, name := range before {
					if _, err := os.Lstat(filepath.Join(td.path, name)); err != nil {
						t.Error(err)
					}
				}
				for line := range strings.Lines(td.log.String()) {
					if strings.ContainsAny(line, "\x1b") || !strings.HasPrefix(line, "{") || strings.HasPrefix(line, `{"level":"error"}`) {
						t.Errorf("a name has become a line of the log: %q", line)
					}
				}
			})
		}
	})
}

func list(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What stands in the place of an outcome keeps that patch waiting, or is
// replaced; it is never followed, and holds nobody back.
func TestHostileOutcomes(t *testing.T) {
	asBoth(t, func(t *testing.T) {
		folder := func(t *testing.T, in, _ string) { must(t, os.MkdirAll(in+"/full", 0o755)) }
		toFile := func(t *testing.T, in, out string) { must(t, os.Symlink(out+"/file.yaml", in)) }
		toFolder := func(t *testing.T, in, out string) { must(t, os.Symlink(out, in)) }
		fifo := func(t *testing.T, in, _ string) { mkfifo(t, in) }
		for _, tt := range []struct {
			name, text, suffix string
			plant              func(t *testing.T, in, out string)
			waits              bool
		}{
			{"installed, directory", "x", installedSuffix, folder, true},
			{"skipped, directory", "skip", skippedSuffix, folder, true},
			{"failed, directory", "fail", failedSuffix, folder, true},
			{"reason, directory", "fail", reasonSuffix, folder, true},
			{"older failure, directory", "x", failedSuffix, folder, true},
			{"older reason, directory", "x", reasonSuffix, folder, true},
			{"installed, link", "x", installedSuffix, toFile, false},
			{"redacted, link", "secret", installedSuffix, toFile, false},
			{"failed, link", "fail", failedSuffix, toFile, false},
			{"reason, link", "fail", reasonSuffix, toFile, false},
			{"installed, link to a directory", "x", installedSuffix, toFolder, false},
			{"reason, link to a directory", "fail", reasonSuffix, toFolder, false},
			{"installed, FIFO", "secret", installedSuffix, fifo, false},
			{"reason, FIFO", "fail", reasonSuffix, fifo, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				td := newDropDir(t)
				out := filepath.Join(filepath.Dir(td.path), "out")
				must(t, os.Mkdir(out, 0o755))
				must(t, os.WriteFile(filepath.Join(out, "file.yaml"), []byte("outside"), 0o600))
				at := filepath.Join(td.path, "x.yaml"+tt.suffix)
				tt.plant(t, at, out)
				outside := watchOpens(t, out, filepath.Join(out, "file.yaml"))
				td.Drop("x.yaml", tt.text)
				td.Drop("z.yaml", "z")
				for range 3 {
					td.After(td.cfg.Rescan).Pass()
				}
				outside.none()
				td.Outcome("z.yaml", installedSuffix)
				var want Reason
				if tt.waits {
					want = Unfinishable
					td.Logged("patch waits", 1)
					must(t, os.RemoveAll(at))
				}
				td.Waits("x.yaml", want)
				td.After(time.Hour).Pass()
				td.Waits("x.yaml", "")
				td.NoClaims()
				if len(td.ledger.order) != 2 {
					t.Errorf("decided on %q", td.ledger.order)
				}
			})
		}
	})
}

// What has the name of the daemon's own directory and is not its own is not
// used, and what is in there neither.
func TestHostileLookalikes(t *testing.T) {
	asBoth(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			plant func(t *testing.T, at, out string)
			state State
		}{
			{"file", func(t *testing.T, at, _ string) { must(t, os.WriteFile(at, nil, 0o644)) }, Refused},
			{"link", func(t *testing.T, at, out string) { must(t, os.Symlink(out, at)) }, Refused},
			{"dangling link", func(t *testing.T, at, _ string) { must(t, os.Symlink("none", at)) }, Refused},
			{"FIFO", func(t *testing.T, at, _ string) { mkfifo(t, at) }, Refused},
			{"mode", func(t *testing.T, at, _ string) {
				must(t, os.Mkdir(at, 0o755))
				must(t, unix.Chmod(at, 0o1777))
			}, Working},
			{"another user's", func(t *testing.T, at, _ string) {
				if unix.Geteuid() != 0 {
					t.Skip("only root can make one")
				}
				must(t, os.Mkdir(at, 0o700))
				must(t, os.Chown(at, 1234, 1234))
			}, Refused},
			{"lock is a FIFO", func(t *testing.T, at, _ string) {
				must(t, os.Mkdir(at, 0o700))
				mkfifo(t, at+"/"+lockName)
			}, Refused},
			{"lock is a link", func(t *testing.T, at, out string) {
				must(t, os.Mkdir(at, 0o700))
				must(t, os.Symlink(out+"/file.yaml", at+"/"+lockName))
			}, Refused},
			{"lock is a hard link", func(t *testing.T, at, out string) {
				must(t, os.Mkdir(at, 0o700))
				must(t, os.Link(out+"/file.yaml", at+"/"+lockName))
			}, Refused},
		} {
			t.Run(tt.name, func(t *testing.T) {
				td := newDropDir(t)
				out := filepath.Join(filepath.Dir(td.path), "out")
				must(t, os.Mkdir(out, 0o755))
				must(t, os.WriteFile(filepath.Join(out, "file.yaml"), []byte("outside"), 0o600))
				tt.plant(t, filepath.Join(td.path, claimDir), out)
				td.Drop("x.yaml", "a")
				for range 3 {
					td.After(td.cfg.Rescan).Pass()
				}
				td.Is(tt.state)
				td.HasStarted(true)
				if text, _ := os.ReadFile(filepath.Join(out, "file.yaml")); string(text) != "outside" {
					t.Errorf("what is outside holds %q", text)
				}
				if tt.state == Refused {
					td.Applied()
					td.Outcome("x.yaml", "")
					td.Logged("cannot be used", 1)
					must(t, os.RemoveAll(filepath.Join(td.path, claimDir)))
					td.Pass()
				}
				td.Applied("a")
			})
		}
	})
}

// A sparse file of a terabyte is refused unread, also beside good ones.
func TestHostileSize(t *testing.T) {
	asBoth(t, func(t *testing.T) {
		td := newDropDir(t)
		td.Drop("x.yaml", "a")
		must(t, os.Truncate(filepath.Join(td.path, "x.yaml"), 1<<40))
		td.Drop("z.yaml", "z")
		td.Pass()
		td.Applied("z")
		if len(td.ledger.handed) != 2 || len(td.ledger.handed[0].Data) > 0 {
			t.Error("it was read")
		}
		fi, err := os.Stat(filepath.Join(td.path, "x.yaml.failed"))
		must(t, err)
		if st := fi.Size(); st != 1<<40 {
			t.Errorf("it has %d bytes now", st)
		}
		td.Logged("left alone", 0)
		td.NoClaims()
	})
}

// An immutable file cannot be claimed, and is tried again.
func TestHostileImmutable(t *testing.T) {
	asRoot(t)
	td := newDropDir(t)
	td.Drop("x.yaml", "a")
	f, err := os.Open(filepath.Join(td.path, "x.yaml"))
	must(t, err)
	defer f.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL, ioctl_iflags(2)
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		skip(t, "this file system has no immutable files: "+err.Error())
	}
	mutable := sync.OnceFunc(func() { must(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)) })
	t.Cleanup(mutable)
	td.Drop("z.yaml", "z")
	for range 3 {
		td.After(td.cfg.Rescan).Pass()
	}
	td.Waits("x.yaml", Unclaimable)
	td.Applied("z")
	td.HasStarted(true)
	td.Logged("patch waits", 1)
	mutable()
	td.After(td.cfg.Rescan).Pass()
	td.Applied("z", "a")
}

// A neighbour that replaces names while they are looked at, by links, FIFOs,
// directories and other files, gains nothing outside, and holds nobody back.
func TestRacing(t *testing.T) {
	asBoth(t, func(t *testing.T) {
		td := newDropDir(t)
		out := filepath.Join(filepath.Dir(td.path), "out")
		must(t, os.Mkdir(out, 0o755))
		must(t, os.WriteFile(filepath.Join(out, "file.yaml"), []byte("outside"), 0o600))
		outside := watchOpens(t, filepath.Join(out, "file.yaml"), out)
		makers := []func(at string) error{
			func(at string) error { return os.WriteFile(at, []byte("raced"), 0o600) },
			func(at string) error { return os.Symlink(out+"/file.yaml", at) },
			func(at string) error { return os.Symlink(out, at) },
			func(at string) error { return unix.Mkfifo(at, 0o600) },
			func(at string) error {
				if err := os.Mkdir(at, 0o755); err != nil {
					return err
				}
				return os.WriteFile(at+"/file.yaml", []byte("raced"), 0o600)
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var racers sync.WaitGroup
		for _, name := range []string{"x.yaml", "sub", "x.yaml.installed", "y.yaml.failed.reason"} {
			in := filepath.Join(td.path, ".racer-"+name)
			must(t, os.Mkdir(in, 0o755))
			racers.Go(func() { swapInto(ctx, in, filepath.Join(td.path, name), makers) })
		}
		for i := range 50 {
			td.Drop("good/z.yaml", "good")
			td.Drop("y.yaml", "fail")
			td.After(td.cfg.Rescan).Pass()
			good := 0
			for _, text := range td.ledger.applied {
				switch text {
				case "good":
					good++
				case "raced":
				default:
					t.Fatalf("%q was applied", text)
				}
			}
			if good != i+1 {
				t.Fatalf("%d good patches were applied of %d\n%+v\n%s", good, i+1, td.dir.Status().Waiting, &td.log)
			}
		}
		cancel()
		racers.Wait()
		outside.none()
	})
}

// swapInto replaces a path by each of some files in turn, until ctx ends.
func swapInto(ctx context.Context, in, path string, makers []func(at string) error) {
	made := filepath.Join(in, "made")
	for i := 0; ctx.Err() == nil; i++ {
		if makers[i%len(makers)](made) == nil && os.Rename(made, path) != nil {
			_ = os.RemoveAll(path) // a directory and a file do not replace each other
			_ = os.Rename(made, path)
		}
		_ = os.RemoveAll(made)
	}
}

// What takes a patch's name between the last look and the claim is claimed in
// its place, given back, and costs its group nothing.
func TestReplacedBeforeTheClaim(t *testing.T) {
	td := newDropDir(t)
	td.Drop("x.yaml", "x")
	td.Drop("z.yaml", "z")
	td.dir.step = func(step string) error {
		if at := filepath.Join(td.path, "x.yaml"); step == "settled" {
			must(t, os.Remove(at))
			mkfifo(t, at)
		}
		return nil
	}
	td.Pass()
	td.Applied("z")
	td.NoClaims()
	td.Logged("left alone", 1)
	fi, err := os.Lstat(filepath.Join(td.path, "x.yaml"))
	if must(t, err); fi.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("it is a %v now", fi.Mode())
	}
}
