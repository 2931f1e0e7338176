package main

import (
	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/provision"
)

func (c *cli) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of manifests",
		Long: `Print the JSON Schema (draft 2020-12) of manifests, which editors take to complete
and check them while they are written. It holds for YAML and TOML too. Whatever
validate accepts is valid under it; not all that validate refuses can be said in
a schema.`,
		Example: `  tokendrop schema > manifest.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(provision.Schema())
			return err
		},
	}
}
