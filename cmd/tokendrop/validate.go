package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/provision"
)

// severity tells what is wrong from what likely is.
type severity string

const (
	failure severity = "error"
	warning severity = "warning"
)

// finding is one problem as "validate -o json" shows it. Line and column are 0
// where it is about the file as a whole.
type finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Severity severity `json:"severity"`
	Message  string   `json:"message"`
}

func (c *cli) validate() *cobra.Command {
	var m manifests
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR|-...",
		Short: "Check manifests without applying them",
		Long: `Check manifests without a daemon. Each problem is a line FILE:LINE:COL: message;
the exit code is 1 if there is any. What is allowed but likely not meant has
"warning: " before the message, and leaves the exit code 0. Of a directory
those files are checked that would be patches in a drop directory; - is stdin.
Whether the tokens that a manifest changes are there is not looked at: that is
what plan does.`,
		Example: `  tokendrop validate tokens.yaml more.toml
  tokendrop validate manifests/
  generate-tokens | tokendrop validate --format json -`,
		Args:    cobra.MinimumNArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return m.check(c) },
		RunE: func(cmd *cobra.Command, args []string) error {
			decoder, err := c.decoder(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			m.stdin = cmd.InOrStdin()
			files, unread := m.read(args)
			found := []finding{}
			for i := range files {
				found = append(found, check(decoder, &files[i], time.Now())...)
			}
			if err := c.printFindings(cmd.OutOrStdout(), found); err != nil {
				return err
			}
			if unread == nil && slices.ContainsFunc(found, func(f finding) bool { return f.Severity == failure }) {
				return errNo
			}
			return unread
		},
	}
	m.syntaxFlag(cmd)
	return cmd
}

// decoder reads manifests as the configuration says. Without a file of it the
// sets of scopes and the imports are not known, so none is called wrong.
func (c *cli) decoder(stderr io.Writer) (provision.Decoder, error) {
	formats, err := c.formats(stderr)
	decoder := provision.Decoder{Formats: formats}
	if cfg, wrong := c.config(); wrong == nil && cfg.File != "" {
		decoder.Imports = slices.AppendSeq([]string{}, maps.Keys(cfg.Tokens.Imports))
		decoder.ScopeSets = maps.Clone(cfg.ScopeSets)
		if decoder.ScopeSets == nil {
			decoder.ScopeSets = map[string][]string{}
		}
	}
	return decoder, err
}

// check finds what is wrong with a manifest or, if nothing is, what likely is.
func check(decoder provision.Decoder, m *manifest, now time.Time) []finding {
	if m.leftAlone != "" {
		return findings(m.file, warning, provision.Problem{Text: "a drop directory leaves this alone: " + m.leftAlone})
	}
	decoded, problems := decoder.Decode(m.name, m.data)
	if len(problems) > 0 {
		return findings(m.file, failure, problems...)
	}
	warnings := provision.Warn(decoded, now)
	if m.exposed && len(decoded.Literals) > 0 {
		open := provision.Problem{Text: "others can read this file, and there is a secret in it; take that right from them with chmod o-r"}
		warnings = append([]provision.Problem{open}, warnings...)
	}
	return findings(m.file, warning, warnings...)
}

func findings(file string, s severity, problems ...provision.Problem) []finding {
	list := make([]finding, len(problems))
	for i, p := range problems {
		list[i] = finding{File: file, Line: p.Pos.Line, Column: p.Pos.Col, Severity: s, Message: p.Text}
	}
	return list
}

func (c *cli) printFindings(w io.Writer, found []finding) error {
	if c.output == jsonOut {
		return printJSON(w, found)
	}
	for _, f := range found {
		p := provision.Problem{Pos: provision.Pos{Line: f.Line, Col: f.Column}, Text: f.Message}
		if f.Severity == warning {
			p.Text = "warning: " + p.Text
		}
		if _, err := fmt.Fprintln(w, p.In(f.File)); err != nil {
			return err
		}
	}
	return nil
}
