package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
)

// cli is what the commands share.
type cli struct {
	configFile string
	output     output
	// started: the command line was understood, and a command runs.
	started bool
}

func (c *cli) command() *cobra.Command {
	c.output = table
	root := &cobra.Command{
		Use:   "tokendrop",
		Short: "API tokens as files: drop a manifest, verify a token",
		Long: `tokendrop watches drop directories for manifests that create, change and
delete API tokens, applies them, renames each file to say what became of it,
and tells proxies for every request whether the token in it is good.

Data goes to stdout, and messages to stderr: on a terminal also how far long work
is. Nothing is coloured where NO_COLOR is set, and of a TERM that is dumb nothing
but text is expected.`,
		Example: `  tokendrop serve --dev                  try it out in ./tokendrop-dev
  tokendrop validate tokens.yaml         check a manifest before dropping it
  mv tokens.yaml /var/spool/tokendrop/   apply it
  tokendrop history                      see what became of it`,
		SilenceUsage:     true,
		SilenceErrors:    true,
		PersistentPreRun: func(*cobra.Command, []string) { c.started = true },
	}
	root.PersistentFlags().StringVar(&c.configFile, "config", "",
		"configuration file (default $TOKENDROP_CONFIG, else /etc/tokendrop/tokendrop.toml)")
	root.PersistentFlags().VarP(&c.output, "output", "o", "how to print: table or json")
	root.AddCommand(c.serve(), c.validate(), c.plan(), c.schema(), c.list(), c.show(), c.history(), c.verify(), c.token(), c.healthcheck(),
		c.apply(), c.retry(), c.status(), c.configuration(), c.version(), c.backup(), c.restore(), c.block(), c.unblock(), c.man())
	for i := range changes {
		root.AddCommand(c.change(&changes[i]))
	}
	c.completions(root)
	return root
}

func (c *cli) config() (*config.Config, error) {
	return config.Load(c.configFile, os.Environ())
}

// usage is the error for a value on the command line that cannot be meant.
func (c *cli) usage(text string) error {
	c.started = false
	return errors.New(text)
}

// ask calls do with the running daemon's answers, or those of its store.
func (c *cli) ask(cmd *cobra.Command, do func(admin.Service) error) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	service, done, err := daemon.Connect(cmd.Context(), cfg, commandLog(cfg.Log))
	if err != nil {
		return err
	}
	err = do(service)
	switch {
	case err == nil:
		return done()
	case errors.Is(err, store.ErrUnknown): // and nothing may touch the store before it is opened anew
		return fmt.Errorf(`%w; "tokendrop history" tells`, err)
	}
	_ = done() // the first error is the one to tell
	return err
}

// newLog logs to stderr, by what is over a progress line there.
func newLog(c config.Log, to *progress) zerolog.Logger {
	var w io.Writer = to
	if isConsole(c) {
		w = zerolog.ConsoleWriter{Out: to, NoColor: !isScreen(os.Stderr)} // which heeds NO_COLOR too
	}
	zerolog.SetGlobalLevel(c.Level)
	return zerolog.New(w).With().Timestamp().Logger()
}

// isConsole tells whether the log is for people.
func isConsole(c config.Log) bool {
	return c.Format == config.Console || c.Format == config.Auto && isTerminal(os.Stderr)
}

// commandLog is the log of a command that does the daemon's work, and says itself
// what has become of it.
func commandLog(c config.Log) zerolog.Logger {
	c.Level = max(c.Level, zerolog.WarnLevel)
	return newLog(c, &progress{to: os.Stderr})
}

func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }

// output is the value of --output.
type output string

const (
	table   output = "table"
	jsonOut output = "json"
)

// Set implements pflag.Value.
func (o *output) Set(s string) error {
	if s != string(table) && s != string(jsonOut) {
		return fmt.Errorf("must be table or json")
	}
	*o = output(s)
	return nil
}

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (*output) Type() string { return "table|json" }
