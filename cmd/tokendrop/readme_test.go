package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/daemon/config"
)

const moduleRoot = "../.."

// blocks are the fenced blocks of a language in README.md.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(moduleRoot + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	return found
}

// Every command of the README does what the README says. They run in a copy of
// what is committed, as they would in a fresh clone.
func TestReadme(t *testing.T) {
	needDaemon(t)
	clone := t.TempDir()
	copyModule(t, clone)
	commands := blocks(t, "sh")
	if len(commands) != 2 || commands[1] != "go test ./...\n" {
		t.Fatalf("the README has the commands %q", commands)
	}
	output := serveDev(t, clone, commands[0])
	shell := newShell(t, clone)
	first := true
	for _, line := range strings.Split(output, "\n") {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		answer := shell.run(line)
		if yes := strings.HasPrefix(answer, "HTTP/1.1 200 "); yes != first {
			t.Errorf("%s\n%s", line, answer)
		}
		first = false
	}
	if first {
		t.Errorf("no curl line was printed:\n%s", output)
	}
	for _, block := range blocks(t, "console") {
		replay(t, shell, clone, block)
	}
}

// replay runs the commands of a block, each with the output that follows it.
func replay(t *testing.T, shell *shell, clone, block string) {
	t.Helper()
	for _, part := range strings.Split("\n"+block, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		want = strings.TrimSuffix(want, "\n")
		if got := strings.TrimSuffix(shell.run(command), "\n"); got != want {
			t.Errorf("$ %s\n got %s\nwant %s", command, got, want)
		}
		if moved := regexp.MustCompile(`^mv (\S+) (\S+)/$`).FindStringSubmatch(command); moved != nil {
			awaitOutcome(t, filepath.Join(clone, moved[2], moved[1]))
		}
	}
}

// awaitOutcome gives the daemon the moment that a person needs to type on.
func awaitOutcome(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if found, _ := filepath.Glob(path + ".*"); len(found) > 0 && found[0] != path+".failed.reason" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s has no outcome", path)
		}
	}
}

// copyModule copies the tracked files.
func copyModule(t *testing.T, to string) {
	t.Helper()
	archive := exec.Command("sh", "-c", "git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "+to)
	archive.Dir = moduleRoot
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// serveDev runs the README's first command until the test ends, and returns
// what it has printed when the daemon is ready.
func serveDev(t *testing.T, dir, command string) string {
	t.Helper()
	if resp, err := http.Get("http://" + devAddress + "/healthz"); err == nil {
		resp.Body.Close()
		t.Fatalf("something listens on %s already", devAddress)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	cmd.SysProcAttr = groupAs(nil)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = endGroup(cmd.Process.Pid)
		_, _ = io.Copy(io.Discard, stdout) // until the daemon has ended, which "go run" does not wait for
		_ = cmd.Wait()
	})
	var printed strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		printed.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), " history") {
			break
		}
	}
	return printed.String()
}

// shell is one bash that keeps its variables from command to command.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

const endOfOutput = "--end-of-output--"

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	cmd := exec.Command("bash")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &shell{t, in, bufio.NewReader(out)}
}

// run returns what a command printed on stdout.
func (s *shell) run(command string) string {
	s.t.Helper()
	if _, err := io.WriteString(s.in, command+"\necho "+endOfOutput+"\n"); err != nil {
		s.t.Fatal(err)
	}
	var printed bytes.Buffer
	for {
		line, err := s.out.ReadString('\n')
		if rest, ended := strings.CutSuffix(line, endOfOutput+"\n"); ended {
			printed.WriteString(rest)
			return printed.String()
		}
		if err != nil {
			s.t.Fatalf("%s: %v", command, err)
		}
		printed.WriteString(line)
	}
}

// The configurations that the README shows are right.
func TestReadmeConfigurations(t *testing.T) {
	found := 0
	for _, block := range blocks(t, "toml") {
		file := filepath.Join(t.TempDir(), "tokendrop.toml")
		if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(file, nil); err != nil {
			t.Error(err)
		}
		found++
	}
	if found < 2 {
		t.Errorf("the README shows %d configurations", found)
	}
}
