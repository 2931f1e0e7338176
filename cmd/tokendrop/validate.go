package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/provision"
)

// finding is one problem as "validate -o json" shows it.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func (c *cli) validate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check manifests without applying them",
		Long: `Check manifests without a daemon. Each problem is a line FILE:LINE:COL: message;
the exit code is 1 if there is any. Whether the tokens that a manifest changes
are there is not looked at.`,
		Example: `  tokendrop validate tokens.yaml more.toml`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			found := []finding{}
			for _, file := range files {
				problems, err := validateFile(file)
				if err != nil {
					return err
				}
				found = append(found, problems...)
			}
			if err := c.printFindings(cmd.OutOrStdout(), found); err != nil {
				return err
			}
			if len(found) > 0 {
				return errNo
			}
			return nil
		},
	}
}

func validateFile(file string) ([]finding, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	_, problems := provision.Decode(file, data)
	found := make([]finding, len(problems))
	for i, p := range problems {
		found[i] = finding{File: file, Line: p.Pos.Line, Column: p.Pos.Col, Message: p.Text}
	}
	return found, nil
}

func (c *cli) printFindings(w io.Writer, found []finding) error {
	if c.output == jsonOut {
		return printJSON(w, found)
	}
	for _, f := range found {
		p := provision.Problem{Pos: provision.Pos{Line: f.Line, Col: f.Column}, Text: f.Message}
		if _, err := fmt.Fprintln(w, p.In(f.File)); err != nil {
			return err
		}
	}
	return nil
}
