package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// yesFlag adds the flag that answers for whoever is not at a terminal.
func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVar(yes, "yes", false, "do not ask")
}

// askable tells whether somebody can be asked, or has answered already.
func (c *cli) askable(cmd *cobra.Command, yes bool) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return yes || ok && isTerminal(in)
}

// confirm asks on a terminal whether to go on with what destroys; elsewhere it
// wants --yes. Its error ends the command.
func (c *cli) confirm(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if !c.askable(cmd, yes) {
		return c.usage(question + " Nobody can be asked here: say --yes")
	}
	in := cmd.InOrStdin()
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n') // what ends without an answer is a no
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
		return nil
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "nothing was done")
	return errNo
}
