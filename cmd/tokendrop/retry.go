package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

func (c *cli) retry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry FILE...",
		Short: "Apply patches again that have failed",
		Long: `Apply patches again that have failed: NAME.failed in a drop directory becomes NAME
again, its reason goes, and its new outcome is waited for and reported as apply
does. Mend the file before, or what it needs. In a directory that keeps its files
nothing is renamed: what lies there is applied again at once.`,
		Example: `  tokendrop retry /var/spool/tokendrop/tokens.yaml.failed
  tokendrop retry /var/spool/tokendrop/team/*.failed`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			w := admin.Wanted{Retry: true}
			for _, arg := range args {
				at, ok := placeOf(cfg.Drops, strings.TrimSuffix(strings.TrimSuffix(arg, ".reason"), ".failed"))
				if !ok || at.Path == "" {
					return fmt.Errorf("%s lies in no drop directory of the configuration; what failed elsewhere is applied again with \"tokendrop apply\"", arg)
				}
				w.Places = append(w.Places, at)
			}
			return c.ask(cmd, func(s admin.Service) error {
				looked, err := s.Look(cmd.Context(), w)
				if err != nil {
					return err
				}
				return c.printReports(cmd.OutOrStdout(), lookedReports(cmd, looked))
			})
		},
	}
}
