//go:build unix

package patches

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkPass leads 10,000 waiting patches through, with a handler that does
// nothing: what is measured is this package and the file system.
func BenchmarkPass(b *testing.B) {
	const patches = 10_000
	for _, bb := range []struct {
		name     string
		redacted []byte
	}{{"renamed", nil}, {"rewritten", []byte("REDACTED")}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				path := filepath.Join(b.TempDir(), "drop")
				must(b, os.Mkdir(path, 0o755))
				for i := range patches {
					must(b, os.WriteFile(filepath.Join(path, fmt.Sprintf("%05d.yaml", i)), []byte("tokens:\n  - user: /users/root\n"), 0o644))
				}
				d := New(Config{
					Name: "bench", Path: path, AfterApply: Rename, Redact: true,
					MaxSize: 1 << 20, Settle: time.Second, Rescan: time.Minute,
				}, redactAll{bb.redacted}, zerolog.Nop())
				b.StartTimer()
				if _, err := d.pass(b.Context(), time.Now()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if left := len(d.files) + len(d.claims); left > 0 {
					b.Fatalf("%d patches are left", left)
				}
				d.detach()
				b.StartTimer()
			}
			b.ReportMetric(float64(patches*b.N)/b.Elapsed().Seconds(), "patches/s")
		})
	}
}

// redactAll installs everything.
type redactAll struct{ text []byte }

func (redactAll) Ready() error { return nil }

func (redactAll) Swept(context.Context, Sweep) error { return nil }

func (h redactAll) Handle(_ context.Context, group []Patch) ([]Verdict, error) {
	verdicts := make([]Verdict, len(group))
	for i := range verdicts {
		verdicts[i] = Verdict{Outcome: Installed, Redacted: h.text}
	}
	return verdicts, nil
}

// BenchmarkScan walks a directory that holds 100,000 outcomes and nothing to
// do.
func BenchmarkScan(b *testing.B) {
	path := b.TempDir()
	for i := range 100_000 {
		must(b, os.WriteFile(filepath.Join(path, fmt.Sprintf("%06d.yaml.installed", i)), nil, 0o644))
	}
	d := New(Config{Path: path, Rescan: time.Minute}, redactAll{}, zerolog.Nop())
	defer d.detach()
	for b.Loop() {
		d.full = true
		if _, err := d.pass(b.Context(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
