package speed

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkMovedIn is how verify fares, and what memory the daemon takes at most,
// while 100,000 patches that were moved into its directory at once are applied: a
// directory of them in one rename, and each by one of its own.
func BenchmarkMovedIn(b *testing.B) {
	for _, way := range []struct {
		name string
		move func(from, to string) error
	}{
		{"directory", func(from, to string) error { return os.Rename(from, to+"/moved") }},
		{"files", moveEach},
	} {
		b.Run(way.name, func(b *testing.B) { benchmarkMovedIn(b, way.move) })
	}
}

func benchmarkMovedIn(b *testing.B, move func(from, to string) error) {
	defer alone(b)()
	const patches = 100_000
	all := tokens(b, 1000, 1)
	root, _ := place(b, all)
	verify := start(b, "verify", 200, ours(root))
	l, err := connect(verify.address, 1, 200, presenting(texts(all)))
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	idle := l.until(b, func(passed time.Duration) bool { return passed > settles })
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		from := fmt.Sprintf("%s/%d", root, n)
		write(b, from, tokens(b, patches, byte(10+n)), n)
		before, cpu := verify.peak(b), verify.used(b).CPU
		b.StartTimer()
		moved := make(chan error, 1)
		go func() { moved <- move(from, root+"/drop") }()
		applying := l.until(b, func(time.Duration) bool { return installedBelow(b, root+"/drop") == (n+1)*patches })
		if err := <-moved; err != nil {
			b.Fatal(err)
		}
		b.Logf("idle: p50 %v, p99 %v; while %d patches are applied, for %v and %v of processor time: p50 %v, p99 %v, at most %v; resident %.0f MiB before, at most %.0f meanwhile",
			idle.p50, idle.p99, patches, applying.elapsed.Round(time.Millisecond), verify.used(b).CPU-cpu,
			applying.p50, applying.p99, slices.Max(applying.took), before, verify.peak(b))
		b.ReportMetric(applying.elapsed.Seconds(), "s")
		b.ReportMetric(verify.peak(b), "peak-MiB")
		b.ReportMetric(float64(applying.p99.Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(slices.Max(applying.took).Microseconds())/1000, "most-ms")
		b.ReportMetric(0, "ns/op")
	}
}

func moveEach(from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// installedBelow is how many patches in a directory, and in one in it, are
// installed.
func installedBelow(b *testing.B, dir string) int {
	b.Helper()
	if _, err := os.Stat(dir + "/moved"); err == nil {
		dir += "/moved"
	}
	return installed(b, dir)
}

// peak is the most memory that the process had resident, in MiB (proc_pid_status(5)).
func (s *server) peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	var kib float64
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(after, &kib)
	return kib / 1024
}
