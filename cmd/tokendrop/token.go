package main

import (
	"crypto/rand"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/store/token"
)

func (c *cli) token() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make tokens, and tell their keys, offline",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenNew(), tokenKey())
	return cmd
}

func tokenNew() *cobra.Command {
	var manifest bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a token that no store knows yet",
		Long: `Make a token and print it with its key. It is good once a manifest states it:
--manifest prints one that does so by key and digest, and can be shown to
everybody.`,
		Example: `  tokendrop token new
  tokendrop token new --manifest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := token.Generate(rand.Reader)
			if err != nil {
				return fmt.Errorf("making a token: %w", err)
			}
			return printToken(cmd.OutOrStdout(), t, manifest)
		},
	}
	manifestFlag(cmd, &manifest)
	return cmd
}

func manifestFlag(cmd *cobra.Command, manifest *bool) {
	cmd.Flags().BoolVar(manifest, "manifest", false, "print a manifest for the token too, without its secret")
}

const newManifest = `
tokens:
  - action: create
    user: CHANGE-ME
    name: CHANGE-ME
    key: %s
    digest: %s
`

func tokenKey() *cobra.Command {
	var manifest bool
	cmd := &cobra.Command{
		Use:   "key TOKEN|-",
		Short: "Tell the key of a token",
		Long: `Tell the key of a token. A token on the command line can be seen by others in
the list of processes: with - it is read from stdin.`,
		Example: `  tokendrop token key - < token
  tokendrop token key --manifest - < token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := tokenText(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			t, err := token.Parse(text)
			if err != nil {
				return err
			}
			return printToken(cmd.OutOrStdout(), t, manifest)
		},
	}
	manifestFlag(cmd, &manifest)
	return cmd
}

func printToken(w io.Writer, t token.Token, manifest bool) error {
	_, err := fmt.Fprintf(w, "{\"token\": \"%s\", \"key\": \"%s\"}\n", t.Reveal(), t.Key)
	if err == nil && manifest {
		_, err = fmt.Fprintf(w, newManifest, t.Key, t.Digest())
	}
	return err
}
