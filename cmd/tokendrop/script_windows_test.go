package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// What there is without a daemon, and what is said of the rest.
func TestWindowsScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{
			"testdata/windows.txtar", "testdata/script/config.txtar", "testdata/script/schema.txtar",
			"testdata/script/token.txtar", "testdata/script/usage.txtar",
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}
