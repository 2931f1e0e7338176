package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (c *cli) man() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Hidden: true,
		Short:  "Write the manual pages, for packages",
		Long: `Write the manual pages of all commands into a directory, for packages. They have the
date of $SOURCE_DATE_EPOCH, as https://reproducible-builds.org has it, or of today.`,
		Example: `  tokendrop man debian/man`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date := time.Now()
			if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
				date = time.Unix(epoch, 0)
			}
			for _, of := range commandsOf(cmd.Root()) {
				path := filepath.Join(args[0], pageName(of)+".1")
				if err := os.WriteFile(path, manPage(of, date.UTC()), 0o644); err != nil { //nolint:gosec // everybody may read a manual
					return err
				}
			}
			return nil
		},
	}
}

// commandsOf are a command and those below it that people are shown.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	cmds := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			cmds = append(cmds, commandsOf(sub)...)
		}
	}
	return cmds
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a manual page in the language of mdoc(7).
type page struct{ strings.Builder }

// manPage is the page about a command.
func manPage(cmd *cobra.Command, date time.Time) []byte {
	var p page
	p.line(".Dd", date.Format("January 2, 2006"))
	p.line(".Dt", strings.ToUpper(pageName(cmd)), "1")
	p.line(".Os")
	p.line(".Sh NAME")
	p.line(".Nm", pageName(cmd))
	p.line(".Nd", escape(decapitalized(cmd.Short)))
	p.line(".Sh SYNOPSIS")
	p.line(".Nm", cmd.CommandPath())
	if _, args, ok := strings.Cut(cmd.Use, " "); ok {
		p.line(".Ar", escape(args))
	}
	p.line(".Op Ar flags")
	p.line(".Sh DESCRIPTION")
	p.prose(cmd.Long)
	p.commands(cmd)
	p.flags("", cmd.LocalNonPersistentFlags())
	p.flags("These flags go with every command:", cmd.Root().PersistentFlags())
	p.line(".Sh EXIT STATUS")
	p.prose(exitNote)
	p.line(".Sh EXAMPLES")
	p.display(strings.Split(cmd.Example, "\n"))
	if cmd.HasParent() {
		p.line(".Sh SEE ALSO")
		p.line(".Xr", pageName(cmd.Root()), "1")
	}
	return []byte(p.String())
}

const exitNote = `0 if it was done, 1 if it failed or the answer is no, 2 for wrong usage, and 78 for a
wrong configuration.`

func (p *page) line(words ...string) { fmt.Fprintln(p, strings.Join(words, " ")) }

// decapitalized starts with a small letter, unless its first word is an acronym.
func decapitalized(text string) string {
	if len(text) > 1 && text[1] >= 'A' && text[1] <= 'Z' {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// escape keeps text from being taken for the language of the page.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// prose writes paragraphs; indented lines in them stay as they are.
func (p *page) prose(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		lines := strings.Split(paragraph, "\n")
		if strings.HasPrefix(lines[0], "  ") {
			p.display(lines)
			continue
		}
		if i > 0 {
			p.line(".Pp")
		}
		p.fill(paragraph)
	}
}

// display writes lines as they are, but for their indent.
func (p *page) display(lines []string) {
	p.line(".Bd -literal -offset indent")
	for _, line := range lines {
		p.line(escape(strings.TrimPrefix(line, "  ")))
	}
	p.line(".Ed")
}

// fillWidth is how long lines of text are, at most.
const fillWidth = 78

// fill writes text in short lines, a sentence each as manual pages have it.
func (p *page) fill(text string) {
	length := 0
	for _, word := range strings.Fields(text) {
		word = escape(word)
		if length > 0 && length+1+len(word) > fillWidth {
			p.line()
			length = 0
		}
		if length > 0 {
			p.WriteString(" ")
			length++
		}
		p.WriteString(word)
		if length += len(word); strings.HasSuffix(word, ".") {
			p.line()
			length = 0
		}
	}
	if length > 0 {
		p.line()
	}
}

func (p *page) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	p.line(".Pp")
	p.line("The commands are:")
	p.line(".Bl -tag -width Ds")
	for _, sub := range commandsOf(cmd)[1:] {
		p.line(".It Xr", pageName(sub), "1")
		p.fill(sub.Short + ".")
	}
	p.line(".El")
}

func (p *page) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	if title != "" {
		p.line(".Pp")
		p.line(title)
	}
	p.line(".Bl -tag -width Ds")
	flags.VisitAll(func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		names := `\-` + escape(f.Name)
		if f.Shorthand != "" {
			names = f.Shorthand + " , Fl " + names
		}
		if kind != "" {
			names += " Ar " + escape(kind)
		}
		p.line(".It Fl", names)
		p.fill(usage)
	})
	p.line(".El")
}
