package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/provision"
)

func (c *cli) list() *cobra.Command {
	var f admin.TokenFilter
	var state, expiresWithin, unusedFor string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens, without their secrets",
		Long: `List tokens by user and name, without their secrets. What several flags say has
to hold together. The state of a token is the first of blocked, disabled, expired
and active that holds.`,
		Example: `  tokendrop list --user /users/root
  tokendrop list --state active --expires-within 30d -o json
  tokendrop list --unused-for 90d`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			f.State = admin.State(state)
			if f.ExpiresWithin, err = c.duration("--expires-within", expiresWithin); err != nil {
				return err
			}
			if f.UnusedFor, err = c.duration("--unused-for", unusedFor); err != nil {
				return err
			}
			if err := f.Check("--"); err != nil {
				return c.usage(err.Error())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				return printStream(c, cmd.OutOrStdout(), s.Tokens(cmd.Context(), f), tokenHead, tokenRow)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.User, "user", "", "of this user")
	flags.StringVar(&f.Name, "name", "", "of this name")
	flags.StringVar(&f.Type, "type", "", "of this type: full-access, read-only or custom")
	flags.StringVar(&state, "state", "", "in this state: active, disabled, expired or blocked")
	flags.StringVar(&expiresWithin, "expires-within", "", "that expire within a duration such as 30d, and have not yet")
	flags.StringVar(&unusedFor, "unused-for", "", "that were not used for a duration such as 90d, nor created within it")
	return cmd
}

// duration reads a flag, 0 where it is empty.
func (c *cli) duration(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := provision.ParseDuration(text)
	if err == nil && d == 0 {
		err = errors.New("must be longer than nothing")
	}
	if err != nil {
		return 0, c.usage(flag + " " + err.Error())
	}
	return d, nil
}

var tokenHead = []string{"KEY", "USER", "NAME", "TYPE", "STATE", "EXPIRES", "LAST USED", "GENERATION"}

func tokenRow(t *admin.Token) []string {
	return []string{
		t.Key.String(), t.User, t.Name, t.Type, string(t.State), timeText(t.ExpiresAt),
		timeText(t.LastUsedAt), fmt.Sprint(t.Generation),
	}
}

func (c *cli) show() *cobra.Command {
	var reveal bool
	cmd := &cobra.Command{
		Use:   "show KEY|USER/NAME",
		Short: "Show all there is to know about a token, without its secret",
		Long: `Show all there is to know about a token, without its secret. With --reveal it is
the token itself that is printed, alone on a line, if it is kept: that needs
encryption_key_files under [tokens] in the configuration at the time it is issued.`,
		Example: `  tokendrop show 9201cd9b-4e62-415e-b523-e198dd7e4756
  tokendrop show /users/root/test-token12345 -o json
  tokendrop show /users/root/test-token12345 --reveal`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				if reveal {
					return c.reveal(cmd, s, args[0])
				}
				t, err := s.Token(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if c.output == jsonOut {
					return printJSON(cmd.OutOrStdout(), t)
				}
				return printTable(cmd.OutOrStdout(), fieldRows(&t))
			})
		},
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "print the token itself, if it is kept encrypted")
	return cmd
}

func (c *cli) reveal(cmd *cobra.Command, s admin.Service, called string) error {
	r, err := s.Reveal(cmd.Context(), called)
	if err != nil {
		return err
	}
	if c.output == jsonOut {
		return printJSON(cmd.OutOrStdout(), r)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), r.Token)
	return err
}

func fieldRows(t *admin.Token) [][]string {
	rows := [][]string{
		{"key", t.Key.String()},
		{"user", t.User},
		{"name", t.Name},
		{"description", t.Description},
		{"type", t.Type},
	}
	rows = addRows(rows, "scope", t.Scopes)
	rows = addRows(rows, "scope set", t.ScopeSets)
	rows = addRows(rows, "allowed address", t.AllowedIPs)
	rows = append(rows, []string{"audience", t.Audience})
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		rows = append(rows, []string{"label", name + "=" + t.Labels[name]})
	}
	rows = append(
		rows,
		[]string{"state", stateText(t)},
		[]string{"not before", timeText(t.NotBefore)},
		[]string{"expires", timeText(t.ExpiresAt)},
		[]string{"issued", timeText(t.IssuedAt)},
		[]string{"created", timeText(t.CreatedAt)},
		[]string{"updated", timeText(t.UpdatedAt)},
		[]string{"generation", fmt.Sprint(t.Generation)},
		[]string{"used", useText(t.UseCount, t.LastUsedAt, t.LastUsedIP)},
		[]string{"source", t.Source},
	)
	for _, c := range t.Credentials {
		text := c.Key.String()
		if c.GoodUntil != nil {
			text += ", good until " + timeText(c.GoodUntil)
		}
		rows = append(rows, []string{"credential", text + ", used " + useText(c.UseCount, c.LastUsedAt, nil)})
	}
	return rows
}

// addRows adds a row for each of a list.
func addRows(rows [][]string, head string, list []string) [][]string {
	for _, one := range list {
		rows = append(rows, []string{head, one})
	}
	return rows
}

// stateText is the state of a token; of a blocked one, why it is.
func stateText(t *admin.Token) string {
	switch {
	case t.State != admin.Blocked:
		return string(t.State)
	case t.BlockReason == "":
		return "blocked, as its user is"
	}
	return "blocked, as its user is: " + t.BlockReason
}

func useText(count uint64, at *time.Time, from *netip.Addr) string {
	if at == nil {
		return "never"
	}
	text := fmt.Sprintf("%d times, last %s", count, timeText(at))
	if from != nil {
		text += " from " + from.String()
	}
	return text
}
