//go:build unix

package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

func TestBearerFile(t *testing.T) {
	want, err := verify.NewBearer("secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "\n", "\r\n"} {
		cfg := &config.Config{Introspect: config.Introspect{TokenFile: secretFile(t, "secret"+end)}}
		if got, err := readBearer(cfg); err != nil || got != want {
			t.Errorf("with %q at its end: %v", end, err)
		}
	}
	if got, err := readBearer(&config.Config{}); err != nil || got != (verify.Bearer{}) {
		t.Errorf("no file: %v", err)
	}
	open := secretFile(t, canary)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"is open to others: run chmod":                                          open,
		"is empty: write a secret into it":                                      secretFile(t, "\n"),
		"holds no bearer token: want 1 to 512 printable ASCII characters witho": secretFile(t, canary+" "+canary),
		"let the daemon's user read it":                                         "/nothere",
	} {
		got, err := readBearer(&config.Config{File: "c.toml", Introspect: config.Introspect{TokenFile: path}})
		if wrong, ok := errors.AsType[*config.Error](err); !ok || got != (verify.Bearer{}) ||
			!strings.HasPrefix(wrong.Error(), "c.toml: introspect.token_file: ") || !strings.Contains(wrong.Error(), name) || strings.Contains(wrong.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
