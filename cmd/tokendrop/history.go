package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

func (c *cli) history() *cobra.Command {
	var dir, path, outcome string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what became of every patch",
		Example: `  tokendrop history
  tokendrop history --outcome failed -o json`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if outcome != "" && !slices.Contains([]string{"installed", "failed", "skipped"}, outcome) {
				return c.usage("--outcome must be one of installed, failed, skipped")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				entries, err := s.History(cmd.Context())
				if err != nil {
					return err
				}
				entries = slices.DeleteFunc(entries, func(e admin.Entry) bool {
					return dir != "" && e.Dir != dir || path != "" && e.Path != path || outcome != "" && e.Outcome != outcome
				})
				if c.output == jsonOut {
					return printJSON(cmd.OutOrStdout(), entries)
				}
				return printTable(cmd.OutOrStdout(), entryRows(entries))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "dir", "", "of the drop directory of this name")
	flags.StringVar(&path, "path", "", "of the file at this path in its drop directory")
	flags.StringVar(&outcome, "outcome", "", "with this outcome: installed, failed or skipped")
	return cmd
}

func entryRows(entries []admin.Entry) [][]string {
	rows := [][]string{{"ID", "TIME", "DIR", "PATH", "OUTCOME", "CHANGED", "REASON"}}
	for _, e := range entries {
		first, more, several := strings.Cut(e.Reason, "\n")
		if several {
			first += fmt.Sprintf(" (and %d more)", strings.Count(more, "\n")+1)
		}
		rows = append(rows, []string{
			fmt.Sprint(e.ID), e.Time.Format(time.RFC3339), e.Dir, e.Path, e.Outcome, fmt.Sprint(e.Changed), first,
		})
	}
	return rows
}
