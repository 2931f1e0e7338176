package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// engine runs containers in a place of its own, by the lines of
// examples/container/README.md.
type engine struct {
	t    *testing.T
	root string
}

// enginePrelude makes buildah and podman work as root without systemd, without
// a network, and where limits cannot be raised.
const enginePrelude = `set -euo pipefail
own=(--root "$ENGINE/graph" --runroot "$ENGINE/run" --storage-driver vfs)
buildah() { command buildah "${own[@]}" "$1" --isolation chroot "${@:2}"; }
podman() {
	local what=$1
	shift
	if [[ $what == run ]]; then
		[[ $* == *--network* ]] || set -- --network none "$@"
		set -- --pull never --ulimit nofile=20000:20000 --ulimit nproc=10000:10000 "$@"
	fi
	command podman "${own[@]}" --tmpdir "$ENGINE/tmp" --runtime runc --cgroup-manager cgroupfs --events-backend none "$what" "$@"
}
`

func newEngine(t *testing.T) *engine {
	t.Helper()
	requireRoot(t)
	for _, tool := range []string{"bash", "buildah", "podman", "runc", "curl"} {
		requireTool(t, tool)
	}
	root, err := os.MkdirTemp("", "td") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, root: root}
	t.Cleanup(func() {
		if _, err := e.try("podman volume rm --all"); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	return e
}

// try runs a line of shell at the top of the source, with what it would leave
// there in the engine's own place.
func (e *engine) try(line string) (string, error) {
	line = strings.NewReplacer("$PWD", e.root, " image/", " "+e.root+"/image/", " image\n", " "+e.root+"/image\n").Replace(line)
	cmd := exec.Command("bash", "-c", enginePrelude+line)
	cmd.Dir = moduleRoot
	cmd.Env = append(os.Environ(), "ENGINE="+e.root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", line, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), err
}

func (e *engine) sh(line string) string {
	e.t.Helper()
	out, err := e.try(line)
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// say runs the line of the README that begins so.
func (e *engine) say(start string) {
	e.t.Helper()
	e.sh(e.line(start))
}

// line is the line of the README that begins so.
func (e *engine) line(start string) string {
	e.t.Helper()
	for line := range strings.Lines(exampleText(e.t, "container/README.md")) {
		if strings.HasPrefix(line, "    "+start) {
			return line
		}
	}
	e.t.Fatalf("README has no line that begins with %s", start)
	return ""
}

// copyIn drops the manifest. podman sets its mode afterwards, which finds nothing
// where it was claimed already, as the README says.
func (e *engine) copyIn() {
	e.t.Helper()
	if out, err := e.try(e.line("podman cp")); err != nil && !strings.Contains(err.Error()+out, "no such file or directory") {
		e.t.Fatal(err)
	}
}

// soon waits until a line prints that; what is wanted may be no more than its
// success.
func (e *engine) soon(line, want string) {
	e.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got, err := e.try(line)
		if err == nil && strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			log, _ := e.try("podman logs tokendrop 2>&1")
			e.t.Fatalf("%q is not so: %s %v\n%s", want, got, err, log)
		}
	}
}

const (
	askReady = "podman healthcheck run tokendrop"
	askWeb   = `podman exec web curl -s -o /dev/null -w '%{http_code} %header{x-token-reason}%header{x-token-key}' ` +
		`-H 'Authorization: Bearer ` + tokenDeploy + `' http://127.0.0.1:7575/verify`
	askInside = "podman exec -i tokendrop tokendrop verify - <<<'" + tokenA + "'"
	// The neighbour has the host's programs, and nothing of the image's.
	runWeb = "podman run -d --name web -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro --entrypoint /usr/bin/sleep tokendrop infinity"
)

// The image of examples/container, as its README has it built and run.
func TestContainerExample(t *testing.T) {
	e := newEngine(t)
	e.say("CGO_ENABLED=0 go build")
	e.say("buildah build")
	t.Run("image", func(t *testing.T) { e.within(t).checkImage() })
	t.Run("sidecar", func(t *testing.T) { e.within(t).checkSidecar() })
	t.Run("store", func(t *testing.T) { e.within(t).checkStore() })
}

// within is the engine for a part of a test, which leaves no container behind.
func (e *engine) within(t *testing.T) *engine {
	t.Helper()
	t.Cleanup(func() { // the one first that has the other's network
		if _, err := e.try("podman rm --force --ignore --time 0 tokendrop && podman rm --all --force --time 0"); err != nil {
			t.Error(err)
		}
	})
	return &engine{t: t, root: e.root}
}

// checkImage expects the binary in the image, and nothing else: no shell either.
func (e *engine) checkImage() {
	top := e.sh("podman image mount tokendrop")
	defer e.sh("podman image unmount tokendrop")
	var files []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, top))
		}
		return err
	})
	if err != nil || !slices.Equal(files, []string{"/usr/bin/tokendrop"}) {
		e.t.Errorf("the image holds %v (%v)", files, err)
	}
	if _, err := e.try("podman run --rm tokendrop healthcheck"); err == nil {
		e.t.Error("nobody is there, and that is healthy")
	}
	e.t.Logf("%s bytes", e.sh("podman image inspect -f '{{.Size}}' tokendrop"))
}

// checkSidecar expects it to follow a volume of Kubernetes', for whoever shares
// its loopback.
func (e *engine) checkSidecar() {
	volume := &machine{t: e.t, drop: e.root + "/tokens"}
	if err := os.Mkdir(volume.drop, 0o700); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Chmod(volume.drop, 0o777|os.ModeSticky); err != nil {
		e.t.Fatal(err)
	}
	manifest := exampleText(e.t, "kubernetes/tokens.yaml")
	volume.publish(1, map[string]string{"tokens.yaml": manifest})
	e.sh(runWeb)
	e.say("podman run -d --name tokendrop --network container:web")
	e.soon(askReady, "")
	e.soon(askWeb, "200 "+keyDeploy)
	e.checkProcess()
	volume.publish(2, map[string]string{"tokens.yaml": strings.Replace(manifest, "2099", "2020", 1)})
	e.soon(askWeb, "401 expired")
	if volume.exists(".tokendrop") {
		e.t.Error("something was written into the volume")
	}
	e.stop()
	volume.publish(3, nil)
	e.sh("podman start tokendrop")
	e.soon(askWeb, "401 invalid_token") // nothing has survived
}

// checkProcess expects somebody who may do nothing.
func (e *engine) checkProcess() {
	e.t.Helper()
	status, err := os.ReadFile("/proc/" + e.sh("podman inspect -f '{{.State.Pid}}' tokendrop") + "/status")
	if err != nil {
		e.t.Fatal(err)
	}
	for _, want := range []string{"\nUid:\t65532\t65532\t65532\t65532\n", "\nGid:\t65532\t", "\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n", "\nNoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			e.t.Errorf("no %q in\n%s", want, status)
		}
	}
	if got := e.sh("podman inspect -f '{{.HostConfig.ReadonlyRootfs}}' tokendrop"); got != "true" {
		e.t.Errorf("the root is read-only: %s", got)
	}
}

// stop expects SIGTERM to be enough. What it takes is printed, and with podman's
// own share in it.
func (e *engine) stop() {
	e.t.Helper()
	began := time.Now()
	e.sh("podman stop --time 60 tokendrop")
	took := time.Since(began)
	if got := e.sh("podman inspect -f '{{.State.ExitCode}}' tokendrop"); got != "0" {
		e.t.Errorf("stopped with exit code %s", got)
	}
	e.t.Logf("stopped in %v", took.Round(time.Millisecond))
}

// checkStore expects what was dropped once to be there after kill -9, and after
// a stop.
func (e *engine) checkStore() {
	e.say("podman run -d --name tokendrop --read-only")
	e.soon(askReady, "")
	e.copyIn()
	e.soon("podman exec tokendrop tokendrop history", "installed")
	e.say("podman exec tokendrop tokendrop history")
	e.soon(askInside, keyA)
	e.sh("podman kill --signal KILL tokendrop && podman wait tokendrop && podman start tokendrop")
	e.soon(askInside, keyA)
	e.stop()
	e.sh("podman start tokendrop")
	e.soon(askInside, keyA)
	e.stop()
}
