package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// change is a command that applies a manifest of one entry.
type change struct {
	action string
	use    string // its arguments
	short  string
	long   string
	// example has a line each, without "  tokendrop ACTION ".
	example []string
	fields  []string
	// args makes an entry of what the flags state, and of the arguments.
	args  func(n *namer, flags entry, args []string) (entry, error)
	count cobra.PositionalArgs
	// destroys is what is asked before, of a token: "" where nothing is lost.
	destroys string
}

// ofTokens are what several tokens can be named by, instead of one by an
// argument.
var ofTokens = []string{"user", "name", "key", "all", "expect"}

const (
	namedNote = `
A token is named by its key or as USER/NAME. USER and NAME may hold slashes; that of
a token that is not there ends at the last one, or is stated with --user and --name.`
	severalNote = `
A token is named by its key or as USER/NAME; with --key several, and with --user and
--all all that a user has. --expect guards against more or fewer than one thinks.`
	secretNote = `
A token that is made is printed once, alone on a line, and kept nowhere in clear:
whoever loses it needs another one, by "tokendrop regenerate". In a file, or for a
token that many hosts have to know, state a digest: "tokendrop token new --manifest".`
	askNote = `
It is asked before on a terminal, and needs --yes elsewhere.`
)

// changes are the commands that change tokens by flags.
var changes = []change{
	{
		action: "create", use: "[USER/NAME]", short: "Create a token, and print it",
		long: `Create a token, and print it, unless --digest or --token-file says what it is. If the
user has a token of that name already, nothing is changed or printed.` + namedNote + secretNote,
		example: []string{
			"ci/deploy --type read-only --expires-in 90d", "--user /users/root --name backup --type custom --scopes 'api::article.*'",
			"ci/imported --token-file - < token", "ci/deploy -o json | jq -r .token",
		},
		fields: slices.Concat([]string{"user", "name", "key", "token", "digest", "generate"}, attributes),
		args:   (*namer).newName, count: cobra.MaximumNArgs(1),
	},
	{
		action: "ensure", use: "[KEY|USER/NAME]", short: "Make what is stated true of a token, which is created if need be",
		long: `Make what is stated true of a token, and leave the rest alone. If it is not there it
is created; that needs --generate, --digest or --token-file. With --generate nothing is
printed unless a token had to be made.` + namedNote + secretNote,
		example: []string{
			"ci/deploy --generate --type read-only --expires-in 90d", "ci/deploy --labels team=ops --description 'deploys the site'",
		},
		fields: slices.Concat([]string{"user", "name", "key", "token", "digest", "generate", "grace"}, attributes),
		args:   (*namer).named, count: cobra.MaximumNArgs(1),
	},
	{
		action: "update", use: "KEY|USER/NAME", short: "Change what is known about a token",
		long: `Change what is known about a token: each flag states a field anew, --user and --name
included. An empty value or list, or never, clears a field.` + namedNote,
		example: []string{"ci/deploy --expires-at 2027-12-31", "ci/deploy --name publish --scopes 'api::page.*'", "9201cd9b-4e62-415e-b523-e198dd7e4756 --labels ''"},
		fields:  slices.Concat([]string{"user", "name"}, attributes),
		args:    (*namer).set, count: cobra.ExactArgs(1),
	},
	{
		action: "delete", use: "[KEY|USER/NAME]", short: "Delete a token",
		long:    `Delete a token. A manifest may make it again; "tokendrop revoke" is for ever.` + severalNote + askNote,
		example: []string{"ci/deploy", "--yes 9201cd9b-4e62-415e-b523-e198dd7e4756", "--user ci --all --expect 3"},
		fields:  ofTokens, args: (*namer).named, count: cobra.MaximumNArgs(1), destroys: "Delete",
	},
	{
		action: "revoke", use: "[KEY|USER/NAME]", short: "Delete a token, and let nothing make it again",
		long: `Delete a token, and remember its keys: no manifest and no backup can make a token
with one of them again. A token that is not there is revoked by its key, or by itself
with --token-file.` + severalNote + askNote,
		example: []string{"ci/deploy", "--yes --token-file - < found-in-a-log", "--yes --user alice --all"},
		fields:  slices.Concat(ofTokens, []string{"token"}), args: (*namer).named, count: cobra.MaximumNArgs(1), destroys: "Revoke for ever",
	},
	{
		action: "enable", use: "[KEY|USER/NAME]", short: "Let a token be good that was disabled",
		long:    `Let a token be good that was disabled.` + severalNote,
		example: []string{"ci/deploy", "--user ci --all"},
		fields:  ofTokens, args: (*namer).named, count: cobra.MaximumNArgs(1),
	},
	{
		action: "disable", use: "[KEY|USER/NAME]", short: "Refuse a token until it is enabled",
		long:    `Refuse a token until it is enabled, its credentials in grace too.` + severalNote,
		example: []string{"ci/deploy", "--user ci --all --expect 3"},
		fields:  ofTokens, args: (*namer).named, count: cobra.MaximumNArgs(1),
	},
	{
		action: "regenerate", use: "[KEY|USER/NAME]", short: "Give a token another secret, and print it",
		long: `Give a token another secret, and print it, unless --digest or --token-file says what
it is. The one before is refused at once, or after --grace.` + namedNote + secretNote + askNote,
		example: []string{"ci/deploy --grace 1h", "--yes ci/deploy --older-than 30d --expires-in 90d"},
		fields: []string{
			"user", "name", "key", "token", "digest", "generate", "grace", "generation", "older_than", "expires_at", "expires_in", "issued_at",
		},
		args: (*namer).named, count: cobra.MaximumNArgs(1), destroys: "Replace the secret of",
	},
	{
		action: "copy", use: "KEY|USER/NAME USER/NAME", short: "Create a token like another one, and print it",
		long: `Create a token that may do what another one may, with a secret of its own, and print
it. Flags state what is different. If the new one is there already, nothing is changed
or printed.` + namedNote + secretNote,
		example: []string{"ci/deploy ci/deploy-2", "9201cd9b-4e62-415e-b523-e198dd7e4756 bob/laptop --expires-in 30d"},
		fields:  attributes, args: (*namer).copied, count: cobra.ExactArgs(2),
	},
}

// change is the command of a change.
func (c *cli) change(ch *change) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: ch.action + " " + ch.use, Short: ch.short, Long: ch.long + offlineNote, Example: exampleLines(ch.action, ch.example), Args: ch.count,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ch.run(c, cmd, args, yes)
		},
	}
	addFields(cmd, ch.fields)
	if ch.destroys != "" {
		yesFlag(cmd, &yes)
	}
	return cmd
}

// run does what the command line says. What is wrong with that is told before
// anybody is asked, so that it is wrong usage where there is no store too.
func (ch *change) run(c *cli, cmd *cobra.Command, args []string, yes bool) error {
	if _, err := c.config(); err != nil {
		return err
	}
	flags, err := ch.stated(c, cmd, args)
	if err != nil {
		return err
	}
	if _, err := ch.encode(c, cmd, &namer{}, flags, args); err != nil {
		return err
	}
	question := ch.question(flags, args)
	if ch.destroys != "" && !c.askable(cmd, yes) {
		return c.confirm(cmd, yes, question)
	}
	return c.ask(cmd, func(s admin.Service) error {
		data, err := ch.encode(c, cmd, &namer{cmd.Context(), s}, flags, args)
		if err != nil {
			return err
		}
		if ch.destroys != "" {
			if err := c.confirm(cmd, yes, question); err != nil {
				return err
			}
		}
		return c.send(cmd, s, ch.action, data)
	})
}

// question is what is asked before something is lost.
func (ch *change) question(flags entry, args []string) string {
	if len(args) > 0 {
		return ch.destroys + " " + visible(args[0]) + "?"
	}
	return ch.destroys + " " + flags.called() + "?"
}

// stated is what the flags state, beside arguments that can be meant.
func (ch *change) stated(c *cli, cmd *cobra.Command, args []string) (entry, error) {
	flags, err := stated(cmd, ch.fields, ch.action == "update")
	if err == nil {
		err = wellFormed(args...)
	}
	if err != nil {
		return nil, c.usage(err.Error())
	}
	return flags, nil
}

// encode makes the manifest of what flags and arguments say.
func (ch *change) encode(c *cli, cmd *cobra.Command, n *namer, flags entry, args []string) ([]byte, error) {
	e, err := ch.entry(c, n, flags, args)
	if err != nil {
		return nil, err
	}
	return c.encode(cmd, map[string]any{"tokens": []any{e}})
}

// entry is that of what flags and arguments say.
func (ch *change) entry(c *cli, n *namer, flags entry, args []string) (entry, error) {
	e, err := ch.args(n, maps.Clone(flags), args)
	if errors.Is(err, errMeant) {
		err = c.usage(err.Error())
	}
	if err != nil {
		return nil, err
	}
	e["action"] = ch.action
	if ch.action == "create" && !e.hasAny("token", "digest", "generate") {
		e["generate"] = true
	}
	return e, nil
}

const offlineNote = `

It is applied as a manifest is, by the running daemon or, without one, to the store
itself. "tokendrop history" has it under your name.`

func exampleLines(action string, lines []string) string {
	return "  tokendrop " + action + " " + strings.Join(lines, "\n  tokendrop "+action+" ")
}

// encode makes the text of a manifest. What is wrong with it is wrong usage.
func (c *cli) encode(cmd *cobra.Command, manifest map[string]any) ([]byte, error) {
	data, err := json.Marshal(manifest)
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	decoder, err := c.decoder(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	_, problems := decoder.Decode("manifest.json", data)
	if len(problems) == 0 {
		return data, nil
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = inFlags(p.Text)
	}
	return nil, c.usage(strings.Join(texts, "\ntokendrop: "))
}

// inFlags calls fields in a text about a manifest by their flags.
func inFlags(text string) string {
	text = strings.ReplaceAll(text, `"generate: true"`, "--generate")
	for name := range fields {
		text = strings.ReplaceAll(text, `"`+name+`"`, "--"+flagName(name))
	}
	return text
}
