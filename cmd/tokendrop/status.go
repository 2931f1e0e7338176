package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

func (c *cli) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether all is well, what waits, what failed, and why",
		Long: `Say whether all is well, what waits, what failed, and why. The first line is the
answer; below it are the drop directories:

  STATE     ok, or why nothing is applied there
  MODE      what becomes of a file that was applied: rename, remove or keep
  NOTICED   at once, or every rescan where changes are not notified
  SETTLED   once its writer is gone, or after it has lain unchanged for a while

then what waits and what has failed. The state digest at the end is one SHA-256
over all tokens and users, without counters and times of their own: hosts of equal
digests, configured alike, give equal answers.

The exit code is 0 whenever it could say, also where something is wrong; "well" in
the JSON tells programs. Without a running daemon the store itself is asked.`,
		Example: `  tokendrop status
  tokendrop status -o json | jq .well
  tokendrop status -o json | jq -r .store.digest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				status, err := s.Status(cmd.Context())
				if err != nil {
					return err
				}
				if c.output == jsonOut {
					return printJSON(cmd.OutOrStdout(), status)
				}
				return printStatus(cmd.OutOrStdout(), &status)
			})
		},
	}
}

// toldEach bounds the lines about what waits or has failed, of one directory.
const toldEach = 10

func printStatus(w io.Writer, s *admin.Status) error {
	var b strings.Builder
	fmt.Fprintln(&b, headline(s))
	for _, p := range s.Problems {
		fmt.Fprintln(&b, "  "+visible(p))
	}
	if s.Daemon != nil {
		fmt.Fprintf(&b, "daemon: %s, process %d, since %s\n", visible(versionText(&s.Daemon.Info)), s.Daemon.PID, s.Daemon.StartedAt.Format(time.RFC3339))
	}
	rows := [][]string{{"DROP", "PATH", "STATE", "MODE", "NOTICED", "SETTLED", "WAITING", "FAILED", "TOKENS"}}
	for i := range s.Drops {
		rows = append(rows, dropRow(&s.Drops[i]))
	}
	fmt.Fprintln(&b)
	if err := printTable(&b, rows); err != nil {
		return err
	}
	for i := range s.Drops {
		printDrop(&b, &s.Drops[i])
	}
	if len(s.Failures) > 0 {
		fmt.Fprintln(&b, "\nlast failures without a success since:")
		for _, f := range s.Failures {
			fmt.Fprintf(&b, "  %s %s %s: %s\n", f.Time.Format(time.RFC3339), visible(f.Dir), visible(f.Path), visible(firstLine(f.Reason)))
		}
	}
	printStore(&b, &s.Store)
	_, err := io.WriteString(w, b.String())
	return err
}

func headline(s *admin.Status) string {
	switch {
	case s.Well:
		return "all is well"
	case s.Daemon == nil:
		return "not running"
	case !s.Daemon.Ready:
		return "not ready"
	}
	return "ready, but not all is well"
}

func dropRow(d *admin.DropStatus) []string {
	noticed, settled := "at once", "when its writer is gone"
	if !d.Watched {
		noticed = "every " + d.Rescan
	}
	if !d.Leased {
		settled = "after " + d.Settle
	}
	if d.State == admin.NotWatched {
		noticed, settled = "", ""
	}
	return []string{d.Name, d.Path, d.State, d.Mode, noticed, settled, fmt.Sprint(d.WaitingCount), fmt.Sprint(d.FailedCount), fmt.Sprint(d.Tokens)}
}

// printDrop prints what a directory's row has no room for.
func printDrop(w io.Writer, d *admin.DropStatus) {
	if d.Detail != "" {
		fmt.Fprintf(w, "\n%s is %s: %s\n", visible(d.Name), d.State, visible(d.Detail))
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(w, "\nwarning about %s: %s\n", visible(d.Name), visible(warning))
	}
	var waiting, failed []string
	for _, f := range d.Waiting {
		line := fmt.Sprintf("%s: %s", visible(f.Path), f.Reason)
		if f.Detail != "" {
			line += ": " + visible(f.Detail)
		}
		waiting = append(waiting, line+since(f.Since))
	}
	for _, f := range d.Failed {
		lines := []string{visible(f.Path) + since(f.Since)}
		for _, r := range f.Reasons {
			lines = append(lines, "    "+visible(r))
		}
		failed = append(failed, strings.Join(lines, "\n"))
	}
	if d.Withheld != nil {
		printSome(w, "not pruned in "+visible(d.Name), visibleAll(d.Withheld.Tokens), d.Withheld.Count)
	}
	printSome(w, "waiting in "+visible(d.Name), waiting, d.WaitingCount)
	what := `, until "tokendrop retry" once it is mended`
	if d.Mode == "keep" {
		what = ", tried again by itself"
	}
	printSome(w, "failed in "+visible(d.Name)+what, failed, d.FailedCount)
}

func visibleAll(texts []string) []string {
	shown := make([]string, len(texts))
	for i, text := range texts {
		shown[i] = visible(text)
	}
	return shown
}

// printSome prints the first of count items.
func printSome(w io.Writer, title string, items []string, count int) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	shown := items[:min(toldEach, len(items))]
	for _, item := range shown {
		fmt.Fprintln(w, "  "+item)
	}
	if more := count - len(shown); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", since " + t.UTC().Format(time.RFC3339)
}

func printStore(w io.Writer, s *admin.StoreStatus) {
	all := 0
	var states []string
	for _, state := range admin.States {
		all += s.Tokens[state]
		states = append(states, fmt.Sprintf("%d %s", s.Tokens[state], state))
	}
	digest := s.Digest
	if digest == "" {
		digest = "none yet: tokens keep changing, ask again"
	}
	place := slices.DeleteFunc([]string{s.Backend, s.Path}, func(text string) bool { return text == "" })
	fmt.Fprintf(w, "\nstore: %s, %d tokens (%s), %d ledger entries\n",
		visible(strings.Join(place, " ")), all, strings.Join(states, ", "), s.Entries)
	if s.Snapshot != nil {
		fmt.Fprintf(w, "snapshot beside it: of %s\n", timeText(s.Snapshot))
	}
	fmt.Fprintf(w, "state digest: %s\n", digest)
}
