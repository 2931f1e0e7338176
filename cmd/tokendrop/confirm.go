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

// confirm asks on a terminal whether to go on with what destroys; elsewhere it
// wants --yes. Its error ends the command.
func (c *cli) confirm(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return c.usage(question + " Nobody can be asked here: say --yes")
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n') // what ends without an answer is a no
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
		return nil
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "nothing was done")
	return errNo
}
