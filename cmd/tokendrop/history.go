package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/provision"
)

func (c *cli) history() *cobra.Command {
	var f admin.EntryFilter
	var since, until string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what became of every patch",
		Long: `List what became of every patch, the oldest first, with who dropped it: the
owner or the signer of the file, or the user who gave an order over the admin
socket (its dir is "admin"). What several flags say has to hold together.

--since and --until take a time (2026-06-01T12:00:00Z), a date (from its first
instant, UTC), or how long ago (24h, 7d).`,
		Example: `  tokendrop history
  tokendrop history --outcome failed --since 24h
  tokendrop history --token /users/root/test-token12345 -o json
  tokendrop history --dir spool --path team/ci.yaml`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			if f.Since, err = c.moment("--since", since); err != nil {
				return err
			}
			if f.Until, err = c.moment("--until", until); err != nil {
				return err
			}
			if err := f.Check("--"); err != nil {
				return c.usage(err.Error())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				return printStream(c, cmd.OutOrStdout(), s.History(cmd.Context(), f), entryHead, entryRow)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Token, "token", "", "about this token: a key, or USER/NAME")
	flags.StringVar(&f.Dir, "dir", "", "of the drop directory of this name")
	flags.StringVar(&f.Path, "path", "", "of the file at this path in its drop directory")
	flags.StringVar(&f.Outcome, "outcome", "", "with this outcome: installed, failed or skipped")
	flags.StringVar(&since, "since", "", "at this time and later")
	flags.StringVar(&until, "until", "", "before this time")
	return cmd
}

// moment reads a flag that is a time, a date, or how long ago; the zero time
// where it is empty.
func (c *cli) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := parseMoment(text, time.Now())
	if err != nil {
		return t, c.usage(flag + " " + err.Error())
	}
	return t, nil
}

func parseMoment(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	if ago, err := provision.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, errors.New("must be a time like 2026-06-01T12:00:00Z, a date, or how long ago, like 24h or 7d")
}

var entryHead = []string{"ID", "TIME", "DIR", "PATH", "OUTCOME", "CHANGED", "AUTHOR", "REASON"}

func entryRow(e *admin.Entry) []string {
	return []string{
		fmt.Sprint(e.ID), e.Time.Format(time.RFC3339), e.Dir, e.Path, e.Outcome, fmt.Sprint(e.Changed), e.Author, firstLine(e.Reason),
	}
}

// firstLine is the first reason, with the number of the others.
func firstLine(reason string) string {
	first, more, several := strings.Cut(reason, "\n")
	if several {
		first += fmt.Sprintf(" (and %d more)", strings.Count(more, "\n")+1)
	}
	return first
}
