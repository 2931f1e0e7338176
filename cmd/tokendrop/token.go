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
		Long: `Make tokens, and tell their keys. That needs neither a daemon nor a store; of the
configuration only the prefixes of tokens are looked at.`,
		Example: `  tokendrop token new --manifest
  tokendrop token key - < token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.tokenNew(), c.tokenKey())
	return cmd
}

// formats are those of the configuration. What is done offline needs none: where
// it cannot be read, and nobody has named it, no prefixes are known.
func (c *cli) formats(stderr io.Writer) (token.Formats, error) {
	cfg, err := c.config()
	if err == nil {
		return cfg.Tokens.Formats, nil
	}
	if c.configFile != "" {
		return token.Formats{}, err
	}
	_, err = fmt.Fprintf(stderr, "no prefixes of tokens are known, because the configuration cannot be used: %v\n", err)
	return token.Formats{}, err
}

func (c *cli) tokenNew() *cobra.Command {
	var manifest bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a token that no store knows yet",
		Long: `Make a token and print it with its key, in the configured form. It is good once a
manifest states it: --manifest prints one that does so by key and digest, and can
be shown to everybody.`,
		Example: `  tokendrop token new
  tokendrop token new --manifest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats, err := c.formats(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			t, err := formats.Generate(rand.Reader)
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
    expires_in: 90d
`

func (c *cli) tokenKey() *cobra.Command {
	var manifest bool
	cmd := &cobra.Command{
		Use:   "key TOKEN|-",
		Short: "Tell the key of a token",
		Long: `Tell the key of a token of any format, another product's too. A token on the
command line can be seen by others in the list of processes: with - it is read
from stdin.`,
		Example: `  tokendrop token key - < token
  tokendrop token key --manifest - < token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := tokenText(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			formats, err := c.formats(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			t, err := formats.Parse(text)
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
	// Of printable ASCII, %q is what JSON writes.
	_, err := fmt.Fprintf(w, "{\"token\": %q, \"key\": %q}\n", t.Reveal(), t.Key.String())
	if err == nil && manifest {
		_, err = fmt.Fprintf(w, newManifest, t.Key, t.Digest())
	}
	return err
}
