package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) configuration() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force",
		Long: `Print the configuration that a daemon started now would have: the file, with what
the environment says in its place, and the defaults for the rest. It can be read
again as a configuration, and has no secret: these are in files that it names. The
exit code is 78 if the configuration is wrong, with every problem on stderr.`,
		Example: `  tokendrop config
  tokendrop config --config new.toml > /dev/null && systemctl reload tokendrop
  TOKENDROP_LOG_LEVEL=debug tokendrop config -o json | jq .log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			if c.output == jsonOut {
				return printJSON(cmd.OutOrStdout(), cfg.Document())
			}
			return cfg.WriteTOML(cmd.OutOrStdout())
		},
	}
}
