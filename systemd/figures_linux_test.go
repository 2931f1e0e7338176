package systemd_test

import (
	"os/exec"
	"regexp"
	"testing"
)

// The script of the figures measures each of them, in a second instead of a
// minute. What they are is printed, and judged elsewhere.
func TestFigures(t *testing.T) {
	needRoot(t)
	for _, program := range []string{"bash", "systemd-analyze", "buildah"} {
		need(t, program)
	}
	out, err := exec.Command("./figures", "1").CombinedOutput()
	t.Logf("%v\n%s", err, out)
	for _, want := range []string{
		`machine +\d+ x .*, Linux `,
		`exposure +\d\.\d of 10`,
		`binary +\d+\.\d MiB`,
		`container image +\d+(\.\d+)? MB, \d+\.\d MiB to pull`,
		`idle CPU +\d+\.\d\d s in 1 s`,
		`idle memory +RSS \d+\.\d MiB, PSS \d+\.\d MiB`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(out) {
			t.Errorf("no line like %s", want)
		}
	}
	if out, err := exec.Command("./figures", "a minute").CombinedOutput(); err == nil {
		t.Errorf("of a minute in words it says %s", out)
	}
}
