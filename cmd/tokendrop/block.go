package main

import (
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

const userNote = `
USER may be a pattern: * stands for any characters but /, and ** for any. The most
specific one holds.`

func (c *cli) block() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "block USER",
		Short: "Refuse every token of a user, present and future",
		Long:  `Refuse every token of a user, present and future, until "tokendrop unblock".` + userNote + offlineNote,
		Example: `  tokendrop block alice --reason 'has left'
  tokendrop block 'contractors/**'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e := entry{"user": args[0], "blocked": true}
			if reason != "" {
				e["reason"] = reason
			}
			return c.sendUser(cmd, e, args[0], reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", fields["reason"].usage)
	return cmd
}

func (c *cli) unblock() *cobra.Command {
	return &cobra.Command{
		Use:   "unblock USER",
		Short: "Let the tokens of a user be good again",
		Long: `Let the tokens of a user be good again. That is remembered: a pattern that is blocked
later does not hold for one who was unblocked by name.` + userNote + offlineNote,
		Example: `  tokendrop unblock alice
  tokendrop unblock 'contractors/**'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.sendUser(cmd, entry{"user": args[0], "blocked": false}, args[0])
		},
	}
}

// sendUser has a manifest about a user applied, in which these texts are.
func (c *cli) sendUser(cmd *cobra.Command, e entry, texts ...string) error {
	if err := wellFormed(texts...); err != nil {
		return c.usage(err.Error())
	}
	data, err := c.encode(cmd, map[string]any{"users": []any{e}})
	if err != nil {
		return err
	}
	return c.ask(cmd, func(s admin.Service) error { return c.send(cmd, s, cmd.Name(), data) })
}
