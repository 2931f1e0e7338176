package main

import (
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store"
)

// changed is what became of a command's manifest, as "-o json" shows it.
type changed struct {
	Outcome  string         `json:"outcome"`
	Reasons  []string       `json:"reasons"`
	Warnings []string       `json:"warnings"`
	Token    *string        `json:"token"` // that was made, null where none was
	Entries  []admin.Change `json:"entries"`
}

const (
	adviceNobody = `; if a token was made, nobody has it, and "tokendrop regenerate" makes another one`
	adviceLost   = `nobody has the token that was made: make another one with "tokendrop regenerate"`
	adviceThere  = `the token is there already, and cannot be shown again; "tokendrop regenerate" makes another one`
)

// send has the manifest of a command applied, and prints what became of it: the
// token that was made for it on stdout, and nothing else there.
func (c *cli) send(cmd *cobra.Command, s admin.Service, action string, data []byte) error {
	// Who does not read a token any more has to be told that it is lost.
	signal.Ignore(syscall.SIGPIPE)
	applied, err := s.Apply(cmd.Context(), []admin.Manifest{{Path: action + ".json", Data: data, Attended: true}})
	if err == nil && len(applied) != 1 {
		err = errors.New("the daemon has answered something else")
	}
	if errors.Is(err, store.ErrUnknown) && slices.Contains(makers, action) {
		err = fmt.Errorf("%w%s", err, adviceNobody)
	}
	if err != nil {
		return err
	}
	if err := c.printChanged(cmd, &applied[0]); err != nil {
		if len(applied[0].Tokens) > 0 {
			err = fmt.Errorf("%w; %s", err, adviceLost)
		}
		return err
	}
	if applied[0].Outcome != installed {
		return errNo
	}
	return nil
}

// makers are the actions that make tokens.
var makers = []string{"create", "ensure", "regenerate", "copy"}

// installed is the outcome of what was applied.
const installed = "installed"

func (c *cli) printChanged(cmd *cobra.Command, a *admin.Applied) error {
	r := changed{Outcome: a.Outcome, Reasons: inFlagsAll(a.Problems), Warnings: inFlagsAll(a.Warnings), Entries: a.Entries}
	if len(a.Tokens) > 0 {
		r.Token = &a.Tokens[0].Token
	}
	if c.output == jsonOut {
		return printJSON(cmd.OutOrStdout(), r)
	}
	if r.Token != nil { // before anything else can go wrong
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), *r.Token); err != nil {
			return fmt.Errorf("printing the token: %w", err)
		}
	}
	text := r.text()
	if r.Outcome == installed && len(r.Entries) == 0 {
		user, _ := cmd.Flags().GetString("user") // with --all: what else there is to name has an entry
		text += visible(user) + ": unchanged; the user has no token\n"
	}
	_, err := fmt.Fprint(cmd.ErrOrStderr(), text)
	return err
}

// text is what people are told beside the token.
func (r *changed) text() string {
	var b strings.Builder
	for _, w := range r.Warnings {
		fmt.Fprintln(&b, "warning: "+w)
	}
	for _, reason := range r.Reasons {
		fmt.Fprintln(&b, "tokendrop: "+reason)
	}
	for _, e := range r.Entries {
		fmt.Fprintln(&b, changeText(&e))
	}
	return b.String()
}

// changeText tells of one token, or of a user.
func changeText(e *admin.Change) string {
	called := e.User
	if e.Name != "" {
		called += "/" + e.Name
	}
	if e.Key != nil {
		called = strings.TrimSpace(called + " (" + e.Key.String() + ")")
	}
	text := visible(called) + ": " + e.Result
	if e.Result == "unchanged" && (e.Action == "create" || e.Action == "copy") {
		text += "; " + adviceThere
	}
	return text
}

func inFlagsAll(problems []admin.Problem) []string {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = inFlags(p.Message)
	}
	return texts
}
