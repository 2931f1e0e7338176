package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command says what it does, and its examples are understood.
func TestCommands(t *testing.T) {
	root := new(cli).command()
	for _, cmd := range commandsOf(root) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s lacks a short or a long description, or examples", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: nothing is said of --%s", cmd.CommandPath(), f.Name)
			}
		})
		shown := false
		for line := range strings.Lines(cmd.Example) {
			words := commandLine(line)
			if words == nil {
				continue
			}
			understood(t, line, words)
			shown = shown || strings.HasPrefix(strings.Join(words, " "), strings.TrimPrefix(cmd.CommandPath(), "tokendrop "))
		}
		if !shown && cmd.HasParent() {
			t.Errorf("%s is in none of its examples", cmd.CommandPath())
		}
	}
}

// commandLine is what an example of the shell says after "tokendrop".
func commandLine(line string) []string {
	_, rest, ok := strings.Cut(line, "tokendrop ")
	if strings.HasPrefix(strings.TrimSpace(line), "mv ") || !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "   ") // what is said of it
	var words []string
	for i, part := range strings.Split(rest, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		for _, word := range strings.Fields(part) {
			if strings.ContainsAny(word, "|<>&;") {
				return words
			}
			words = append(words, word)
		}
	}
	return words
}

// understood checks flags and arguments, and does nothing.
func understood(t *testing.T, line string, words []string) {
	t.Helper()
	cmd, args, err := new(cli).command().Find(words)
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%q: %v", strings.TrimSpace(line), err)
	}
	if cmd.Args == nil && cmd.HasParent() {
		t.Errorf("%s does not say which arguments it takes", cmd.CommandPath())
	}
}

// The commands of the contract are there.
func TestCommandsOfTheContract(t *testing.T) {
	const want = `serve apply validate plan list show create ensure update delete revoke enable disable regenerate copy
block unblock verify token status history retry backup restore schema config version healthcheck completion`
	root := new(cli).command()
	root.InitDefaultCompletionCmd("x")
	have := map[string]*cobra.Command{}
	for _, cmd := range root.Commands() {
		have[cmd.Name()] = cmd
	}
	for _, name := range strings.Fields(want) {
		if have[name] == nil {
			t.Errorf("there is no command %s", name)
		}
	}
}

// Whatever the command, wrong usage is 2, and nothing is done.
func TestWrongUsage(t *testing.T) {
	t.Setenv("TOKENDROP_CONFIG", t.TempDir()+"/none.toml") // which would be 78
	for _, cmd := range commandsOf(new(cli).command()) {
		words := strings.Fields(cmd.CommandPath())[1:]
		if code := run(t.Context(), append(words, "--no-such-flag")); code != exitUsage {
			t.Errorf("%s --no-such-flag ends with %d", cmd.CommandPath(), code)
		}
		if many := strings.Fields("a b c d e"); cmd.ValidateArgs(many) == nil {
			continue
		} else if code := run(t.Context(), append(words, many...)); code != exitUsage {
			t.Errorf("%s with five arguments ends with %d", cmd.CommandPath(), code)
		}
	}
}
