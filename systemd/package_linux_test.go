package systemd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nfpm is the program that makes the packages, or $NFPM.
func nfpm(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("NFPM"); program != "" {
		return program
	}
	return need(t, "nfpm")
}

// builds holds what build has built, by version and processor, until the last
// test has ended.
var builds = map[string]string{}

// build builds a version of both packages, once, and returns where they are.
func build(t *testing.T, version, arch string) string {
	t.Helper()
	nfpm(t) // without it every test is skipped, and not the first one alone
	what := version + " " + arch
	if builds[what] == "" {
		out, err := os.MkdirTemp("", "tokendrop-packages")
		if err != nil {
			t.Fatal(err)
		}
		builds[what] = out
		buildFrom(t, "..", out, version, arch)
	}
	return builds[what]
}

// buildFrom builds a version of the packages from the source in a directory.
func buildFrom(t *testing.T, source, out, version, arch string) {
	t.Helper()
	cmd := exec.Command(source+"/systemd/package/build", out, version, arch)
	cmd.Env = append(os.Environ(), "NFPM="+nfpm(t))
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the packages: %v\n%s", err, said)
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(read(t, path)))
	return hex.EncodeToString(digest[:])
}

// The same source makes the same bytes, wherever it lies.
func TestReproducible(t *testing.T) {
	nfpm(t)
	elsewhere := t.TempDir() + "/another place"
	if out, err := exec.Command("cp", "-r", "..", elsewhere).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	one, other := build(t, "1.0.0", "amd64"), t.TempDir()
	buildFrom(t, elsewhere, other, "1.0.0", "amd64")
	for _, file := range []string{"tokendrop", "tokendrop.deb", "tokendrop.rpm"} {
		if sum(t, filepath.Join(one, file)) != sum(t, filepath.Join(other, file)) {
			t.Errorf("two builds of %s differ", file)
		}
	}
	info, err := os.Stat(one + "/tokendrop")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %.1f MiB", float64(info.Size())/(1<<20))
}

func TestLintian(t *testing.T) {
	lintian := need(t, "lintian")
	deb := build(t, "1.0.0", "amd64") + "/tokendrop.deb"
	judge(t, lintian, deb)
}
