package speed

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
)

// BenchmarkBackup tells what a running daemon takes for its snapshot, a backup,
// the preview of a restore, and the restore, with 1,000 tokens, each with an
// entry of the ledger.
func BenchmarkBackup(b *testing.B) { benchmarkBackup(b, 1000) }

// BenchmarkBackupMillion is BenchmarkBackup with 1,000,000 tokens.
func BenchmarkBackupMillion(b *testing.B) { benchmarkBackup(b, 1_000_000) }

func benchmarkBackup(b *testing.B, n int) {
	defer alone(b)()
	all := tokens(b, n, 1)
	for b.Loop() {
		root, _ := place(b, all)
		s := start(b, "verify", 200, ours(root))
		steps := vaultSteps{B: b, server: s}
		l, err := connect(s.address, connections, 200, presenting(texts(every(all, asked))))
		if err != nil {
			b.Fatal(err)
		}
		var busy answered
		steps.take("snapshot, asked meanwhile", func() error {
			busy = l.until(b, func(time.Duration) bool { return exists(daemon.SnapshotPath(root + "/store")) })
			return nil
		})
		idle := l.until(b, func(passed time.Duration) bool { return passed > settles })
		l.close()
		steps.back(admin.NewClient(root+"/admin.sock"), root+"/dump")
		b.Logf("%d tokens, %s:\n%s", n, machine(), steps.table())
		b.Logf("asked by %d connections: while the snapshot is made %.0f/s, p50 %v, p99 %v; idle %.0f/s, p50 %v, p99 %v",
			connections, busy.rate(), busy.p50, busy.p99, idle.rate(), idle.p50, idle.p99)
	}
	b.ReportMetric(0, "ns/op")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// vaultSteps are measured one after the other.
type vaultSteps struct {
	*testing.B
	server *server
	rows   []string
}

// back makes a backup and restores it.
func (v *vaultSteps) back(c *admin.Client, path string) {
	v.Helper()
	f, err := os.Create(path)
	if err != nil {
		v.Fatal(err)
	}
	defer f.Close()
	v.take("backup", func() error { return c.Backup(v.Context(), f) })
	for _, order := range []admin.Restoring{{Rehearse: true}, {}} {
		v.take(map[bool]string{true: "preview of a restore", false: "restore"}[order.Rehearse], func() error {
			_, err := c.Restore(v.Context(), f, order)
			return err
		})
	}
}

func (v *vaultSteps) take(what string, do func() error) {
	v.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(v.server.process.Pid))
	if err := os.WriteFile(proc+"/clear_refs", []byte("5"), 0); err != nil { // the peak begins anew
		v.Fatal(err)
	}
	before, began := v.server.used(v.B), time.Now()
	if err := do(); err != nil {
		v.Fatal(err)
	}
	took := time.Since(began)
	after := v.server.used(v.B)
	v.rows = append(v.rows, fmt.Sprintf("%s\t%.2f\t%.2f\t%s\t", what, took.Seconds(), (after.CPU-before.CPU).Seconds(), peak(v.B, proc)))
}

// peak is the most memory that a process had resident, in MiB (proc_pid_status(5)).
func peak(b *testing.B, proc string) string {
	b.Helper()
	text, err := os.ReadFile(proc + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	size, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
	kilobytes, err := strconv.Atoi(size)
	if err != nil {
		b.Fatal(err)
	}
	return strconv.Itoa(kilobytes >> 10)
}

func (v *vaultSteps) table() string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tseconds\tCPU seconds\tpeak resident MiB\t")
	for _, row := range v.rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush()
	return text.String()
}
