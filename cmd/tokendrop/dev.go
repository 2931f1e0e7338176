package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/examples"
)

const (
	devDir = "tokendrop-dev"
	// devAddress is where the printed curl lines ask.
	devAddress = "127.0.0.1:7575"
)

// devConfig is written so that the other commands find the daemon too.
const devConfig = `# Written by "tokendrop serve --dev" at each start.
[store]
path = %[2]q

[[drop]]
name = "drop"
path = %[1]q
strict = false  # wherever it is tried

[verify]
listen = [%[4]q]

[admin]
socket = %[3]q
`

func (c *cli) serveDev(cmd *cobra.Command) error {
	if err := daemon.Supported(); err != nil {
		return err // before anything is written
	}
	cfg, err := prepareDev()
	if err != nil {
		return fmt.Errorf("preparing ./%s: %w", devDir, err)
	}
	return c.runDaemon(cmd, cfg, func() { printDev(cmd.OutOrStdout(), cfg) })
}

// prepareDev writes the configuration and drops the examples.
func prepareDev() (*config.Config, error) {
	root, err := filepath.Abs(devDir)
	if err != nil {
		return nil, err
	}
	drop := filepath.Join(root, "drop")
	if err := os.MkdirAll(drop, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(root, "tokendrop.toml")
	text := fmt.Sprintf(devConfig, drop, filepath.Join(root, "store"), filepath.Join(root, "admin.sock"), devAddress)
	if err := maybe.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := dropExamples(drop); err != nil {
		return nil, err
	}
	return config.Load(file, nil)
}

func dropExamples(drop string) error {
	return fs.WalkDir(examples.Dev, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(examples.Dev, path)
		if err != nil {
			return err
		}
		return maybe.WriteFile(filepath.Join(drop, filepath.Base(path)), text, 0o600)
	})
}

func printDev(w io.Writer, cfg *config.Config) {
	fmt.Fprintf(w, `
tokendrop is ready. The examples in %s have been applied;
their names say what became of them. Paste these into another terminal:

`, relative(cfg.Drops[0].Path))
	for _, try := range examples.DevTries {
		fmt.Fprintf(w, "# %s\ncurl -i -H 'Authorization: Bearer %s' http://%s/verify\n\n", try.What, try.Token, devAddress)
	}
	fmt.Fprintf(w, "Drop manifests of your own into %s, and ask\n\n", relative(cfg.Drops[0].Path))
	fmt.Fprintf(w, "go run ./cmd/tokendrop --config %s history\n\n", relative(cfg.File))
}

// relative shortens a path for people, if it can.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil {
		return path
	}
	return rel
}
