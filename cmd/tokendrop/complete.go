package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// Whoever presses a key waits neither long nor for much, and is told of no error.
const (
	completeTime  = 500 * time.Millisecond
	completeCount = 200
)

// completions adds what the values of arguments and flags can be completed to.
func (c *cli) completions(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "show", "update", "delete", "revoke", "enable", "disable", "regenerate", "copy", "ensure":
			cmd.ValidArgsFunction = c.completeFirst(c.completeTokens)
		case "block", "unblock":
			cmd.ValidArgsFunction = c.completeFirst(c.completeUsers)
		case "create", "list", "history", "status", "verify", "version", "config", "schema", "healthcheck", "serve":
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for flag, complete := range map[string]cobra.CompletionFunc{
			"type":    cobra.FixedCompletions([]string{"full-access", "read-only", "custom"}, cobra.ShellCompDirectiveNoFileComp),
			"state":   cobra.FixedCompletions([]string{"active", "disabled", "expired", "blocked"}, cobra.ShellCompDirectiveNoFileComp),
			"outcome": cobra.FixedCompletions([]string{"installed", "failed", "skipped"}, cobra.ShellCompDirectiveNoFileComp),
			"user":    c.completeUsers, "key": c.completeTokens, "token": c.completeTokens,
		} {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, complete) // the flag is there
			}
		}
	}
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// completeFirst completes the first argument, and leaves later ones alone.
func (c *cli) completeFirst(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

// completeTokens completes keys, where one is begun, and USER/NAME.
func (c *cli) completeTokens(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return c.complete(cmd, begun, func(t *admin.Token) []string {
		if begun == "" {
			return []string{t.User + "/" + t.Name}
		}
		return []string{t.User + "/" + t.Name, t.Key.String()}
	})
}

func (c *cli) completeUsers(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return c.complete(cmd, begun, func(t *admin.Token) []string { return []string{t.User} })
}

// complete asks the running daemon for what begins so among the names of tokens. A
// store without a daemon is not opened for that.
func (c *cli) complete(cmd *cobra.Command, begun string, names func(*admin.Token) []string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	var found []string
	last := ""
	for t, err := range admin.NewClient(cfg.Admin.Socket).Tokens(ctx, admin.TokenFilter{}) {
		if err != nil || len(found) >= completeCount {
			break
		}
		for _, name := range names(&t) {
			if strings.HasPrefix(name, begun) && name != last {
				found, last = append(found, name), name
			}
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
