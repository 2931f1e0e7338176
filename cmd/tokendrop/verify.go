package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// maxTokenLine bounds what is read from stdin as a token.
const maxTokenLine = 4 << 10

func (c *cli) verify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify TOKEN|-",
		Short: "Tell what the gate would say to a token",
		Long: `Tell what the gate would say to a token; the exit code is 1 for no. A token on
the command line can be seen by others in the list of processes: with - it is
read from stdin.`,
		Example: `  tokendrop verify - < token`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := tokenText(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return c.ask(cmd, func(s admin.Service) error {
				v, err := s.Verify(cmd.Context(), text)
				if err != nil {
					return err
				}
				if err := c.printVerdict(cmd.OutOrStdout(), &v); err != nil {
					return err
				}
				if !v.Active {
					return errNo
				}
				return nil
			})
		},
	}
}

func (c *cli) printVerdict(w io.Writer, v *admin.Verdict) error {
	if c.output == jsonOut {
		return printJSON(w, v)
	}
	if !v.Active {
		_, err := fmt.Fprintf(w, "no: %s (%s)\n", v.Message, v.Reason)
		return err
	}
	_, err := fmt.Fprintf(w, "yes: %s of %s, key %s\n", visible(v.Name), visible(v.User), v.Key)
	return err
}

// tokenText is the argument, or the first line of stdin where that is "-".
func tokenText(stdin io.Reader, arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, maxTokenLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the token from stdin: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
