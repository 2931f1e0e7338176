package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/provision"
)

// filter says which tokens to list.
type filter struct {
	user, name, kind string
	state            string
	expiresWithin    string
	unusedFor        string
}

func (c *cli) list() *cobra.Command {
	var f filter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens, without their secrets",
		Example: `  tokendrop list --user /users/root
  tokendrop list --state active --expires-within 30d -o json
  tokendrop list --unused-for 90d`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return f.check(c) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(s admin.Service) error {
				tokens, err := s.Tokens(cmd.Context())
				if err != nil {
					return err
				}
				now := time.Now()
				tokens = slices.DeleteFunc(tokens, func(t admin.Token) bool { return !f.admits(&t, now) })
				if c.output == jsonOut {
					return printJSON(cmd.OutOrStdout(), tokens)
				}
				return printTable(cmd.OutOrStdout(), tokenRows(tokens))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.user, "user", "", "of this user")
	flags.StringVar(&f.name, "name", "", "of this name")
	flags.StringVar(&f.kind, "type", "", "of this type: full-access, read-only or custom")
	flags.StringVar(&f.state, "state", "", "in this state: active, disabled, expired or blocked")
	flags.StringVar(&f.expiresWithin, "expires-within", "", "that expire within a duration such as 30d, and have not yet")
	flags.StringVar(&f.unusedFor, "unused-for", "", "that were not used for a duration such as 90d, nor created within it")
	return cmd
}

func (f *filter) check(c *cli) error {
	if f.state != "" && !slices.Contains(admin.States, admin.State(f.state)) {
		return c.usage("--state must be one of active, disabled, expired, blocked")
	}
	if f.kind != "" && !slices.Contains([]string{"full-access", "read-only", "custom"}, f.kind) {
		return c.usage("--type must be one of full-access, read-only, custom")
	}
	if err := c.checkDuration("--expires-within", f.expiresWithin); err != nil {
		return err
	}
	return c.checkDuration("--unused-for", f.unusedFor)
}

func (c *cli) checkDuration(flag, text string) error {
	if text == "" {
		return nil
	}
	if _, err := provision.ParseDuration(text); err != nil {
		return c.usage(flag + " " + err.Error())
	}
	return nil
}

func (f *filter) admits(t *admin.Token, now time.Time) bool {
	return (f.user == "" || t.User == f.user) &&
		(f.name == "" || t.Name == f.name) &&
		(f.kind == "" || t.Type == f.kind) &&
		(f.state == "" || string(t.State) == f.state) &&
		(f.expiresWithin == "" || expiresWithin(t, f.expiresWithin, now)) &&
		(f.unusedFor == "" || unusedFor(t, f.unusedFor, now))
}

func expiresWithin(t *admin.Token, text string, now time.Time) bool {
	d, _ := provision.ParseDuration(text) // checked before
	return t.ExpiresAt != nil && t.ExpiresAt.After(now) && !t.ExpiresAt.After(now.Add(d))
}

// unusedFor counts a token that was never used as unused since its creation.
func unusedFor(t *admin.Token, text string, now time.Time) bool {
	d, _ := provision.ParseDuration(text) // checked before
	since := t.LastUsedAt
	if since == nil {
		since = t.CreatedAt
	}
	return since == nil || !since.After(now.Add(-d))
}

func tokenRows(tokens []admin.Token) [][]string {
	rows := [][]string{{"KEY", "USER", "NAME", "TYPE", "STATE", "EXPIRES", "LAST USED", "GENERATION"}}
	for _, t := range tokens {
		rows = append(rows, []string{
			t.Key.String(), t.User, t.Name, t.Type, string(t.State), timeText(t.ExpiresAt),
			timeText(t.LastUsedAt), fmt.Sprint(t.Generation),
		})
	}
	return rows
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
		{"audience", t.Audience},
		{"state", string(t.State)},
		{"not before", timeText(t.NotBefore)},
		{"expires", timeText(t.ExpiresAt)},
		{"issued", timeText(t.IssuedAt)},
		{"created", timeText(t.CreatedAt)},
		{"updated", timeText(t.UpdatedAt)},
		{"generation", fmt.Sprint(t.Generation)},
		{"used", useText(t.UseCount, t.LastUsedAt, t.LastUsedIP)},
		{"source", t.Source},
	}
	for _, c := range t.Credentials {
		text := c.Key.String()
		if c.GoodUntil != nil {
			text += ", good until " + timeText(c.GoodUntil)
		}
		rows = append(rows, []string{"credential", text + ", used " + useText(c.UseCount, c.LastUsedAt, nil)})
	}
	return rows
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
