package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/version"
)

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of tokendrop, of Go and of the store's format",
		Long: `Print which tokendrop this is: its version, the commit it was built from, the
version of Go, and the number of the store's format. A store of another number is
refused. What the running daemon is, status tells.`,
		Example: `  tokendrop version
  tokendrop version -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := version.Get()
			if c.output == jsonOut {
				return printJSON(cmd.OutOrStdout(), info)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "tokendrop", versionText(&info))
			return err
		},
	}
}

func versionText(info *version.Info) string {
	return fmt.Sprintf("%s (commit %s, %s, store format %d)", info.Version, info.Commit, info.Go, info.StoreFormat)
}
