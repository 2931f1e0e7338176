package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// prune lets the prunes of whole directories take place that are withheld.
func (c *cli) prune(cmd *cobra.Command, s admin.Service, places []admin.Place, yes bool) ([]fileReport, error) {
	status, err := s.Status(cmd.Context())
	if err != nil {
		return nil, err
	}
	var reports []fileReport
	for _, d := range status.Drops {
		if d.Withheld == nil || !slices.Contains(places, admin.Place{Dir: d.Name}) {
			continue
		}
		question := fmt.Sprintf("In %s, %d tokens are stated by no patch any more, such as %s. Prune them?",
			visible(d.Name), d.Withheld.Count, visible(strings.Join(d.Withheld.Tokens[:min(toldEach, len(d.Withheld.Tokens))], ", ")))
		if err := c.confirm(cmd, yes, question); err != nil {
			return nil, err
		}
		pruned, err := s.Prune(cmd.Context(), d.Name)
		if err != nil {
			return nil, err
		}
		r := fileReport{File: d.Path, Dir: d.Name, Outcome: prunedOutcome, Reasons: []string{fmt.Sprintf("%d tokens", pruned.Count)}, Warnings: []string{}, Entries: []admin.Change{}}
		if pruned.Withheld != "" {
			r.Outcome, r.Reasons = "withheld", []string{pruned.Withheld}
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// prunedOutcome is that of a prune, beside those of files.
const prunedOutcome = "pruned"
