package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

func (c *cli) healthcheck() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Tell whether the running daemon is ready",
		Long: `Ask the running daemon for /readyz: the exit code is 0 if it is ready, and 1 if it
is not or does not answer. What does not work as configured is printed, and is no
reason for a no. The daemon is asked at the first address in [verify] that
answers, health before those of listen.`,
		Example: `  tokendrop healthcheck --config /etc/tokendrop/tokendrop.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			health, err := daemon.Healthcheck(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if err := c.printHealth(cmd.OutOrStdout(), health); err != nil {
				return err
			}
			if !health.Ready {
				return errNo
			}
			return nil
		},
	}
}

func (c *cli) printHealth(w io.Writer, h verify.Health) error {
	if c.output == jsonOut {
		return printJSON(w, h)
	}
	text := "ready"
	if !h.Ready {
		text = "not ready: " + verify.NotReady.Message()
	}
	if _, err := fmt.Fprintln(w, text); err != nil {
		return err
	}
	for _, line := range h.Degraded {
		if _, err := fmt.Fprintln(w, "degraded: "+visible(line)); err != nil {
			return err
		}
	}
	return nil
}
