package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/config"
)

func (c *cli) serve() *cobra.Command {
	var dev bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Run the daemon in the foreground until SIGTERM or SIGINT. It applies what lies in
the drop directories, says that it is ready (to systemd, and on /readyz), and
then goes on watching them. On SIGHUP it reads its configuration again: drop
directories, gates, the bearer token of introspection and the log level follow
it at once, the rest after a restart.`,
		Example: `  tokendrop serve --config /etc/tokendrop/tokendrop.toml
  tokendrop serve --dev`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dev && c.configFile != "" {
				return c.usage("--dev makes a configuration of its own; leave --config out")
			}
			if dev {
				return c.serveDev(cmd)
			}
			cfg, err := c.config()
			if err != nil {
				return err
			}
			return c.runDaemon(cmd, cfg, nil)
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "try it out: everything under ./tokendrop-dev, with examples, on 127.0.0.1:7575")
	return cmd
}

func (c *cli) runDaemon(cmd *cobra.Command, cfg *config.Config, onReady func()) error {
	signal.Ignore(syscall.SIGPIPE) // who asks verify does not suffer when nobody reads the log any more
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	shown := newProgress(cmd)
	shown.shows = shown.shows && isConsole(cfg.Log)
	log := newLog(cfg.Log, shown)
	err := daemon.Run(cmd.Context(), cfg, daemon.Options{
		Log: log, OnReady: onReady, Reload: hangup, Sockets: activation.Files(true),
		Progress: shown.patches,
		Load:     func() (*config.Config, error) { return config.Load(cfg.File, os.Environ()) },
	})
	if err == nil {
		log.Info().Msg("stopped")
	}
	return err
}
