package badgerstore

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Invariant 2 of package store, which kill -9 cannot show: between the start
// of a commit and its return, the log that it went to is synced. The last run
// is without Badger's syncs, and shows that the test would notice.
func TestCommitSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is not installed")
		}
		t.Skip("strace is not installed")
	}
	const commits = 12
	for _, without := range []string{"", "1"} {
		trace := traceChild(t, strace, fmt.Sprintf("%s=%d", countVariable, commits), unsafeSync+"="+without)
		done, unsynced := readTrace(trace)
		switch {
		case done != commits:
			t.Fatalf("%d commits in the trace, want %d", done, commits)
		case without == "" && unsynced > 0:
			t.Errorf("%d of %d commits returned before their log was synced", unsynced, commits)
		case without != "" && unsynced == 0:
			t.Error("the trace shows syncs although there are none")
		}
	}
}

func traceChild(t *testing.T, strace string, variables ...string) string {
	t.Helper()
	out := t.TempDir() + "/trace"
	c := child(t.TempDir()+"/store", variables...)
	c.Path = strace
	c.Args = []string{strace, "-f", "-y", "-e", "trace=mmap,msync,fsync,fdatasync,write", "-o", out, os.Args[0]}
	if err := c.Run(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	return out
}

var (
	mapped    = regexp.MustCompile(`^mmap\(.*<.*/([0-9]+\.mem)>, 0\) += (0x[0-9a-f]+)`)
	synced    = regexp.MustCompile(`^msync\((0x[0-9a-f]+), [0-9]+, MS_SYNC\) += 0`)
	announced = regexp.MustCompile(`^write\(1<.*>, "(begin|done) [0-9]+\\n"`)
)

// readTrace counts commits, and those between whose two lines no msync of a
// log has come to its end.
func readTrace(name string) (done, unsynced int) {
	f, err := os.Open(name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	logs := make(map[string]bool) // by address
	begun := make(map[string]string)
	durable := false
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		thread, call, _ := strings.Cut(lines.Text(), " ")
		call = strings.TrimSpace(call)
		if head, unfinished := strings.CutSuffix(call, " <unfinished ...>"); unfinished {
			begun[thread] = head
			continue
		}
		if _, tail, resumed := strings.Cut(call, " resumed>"); resumed {
			call = begun[thread] + tail
		}
		if m := mapped.FindStringSubmatch(call); m != nil {
			logs[m[2]] = true
		} else if m := synced.FindStringSubmatch(call); m != nil && logs[m[1]] {
			durable = true
		} else if m := announced.FindStringSubmatch(call); m != nil && m[1] == "begin" {
			durable = false
		} else if m != nil {
			done++
			if !durable {
				unsynced++
			}
		}
	}
	return done, unsynced
}
