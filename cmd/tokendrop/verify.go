package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// maxTokenLine bounds what is read from stdin as a token.
const maxTokenLine = 4 << 10

func (c *cli) verify() *cobra.Command {
	var q admin.Question
	var ip string
	cmd := &cobra.Command{
		Use:   "verify TOKEN|-",
		Short: "Tell what a gate would say to a token",
		Long: `Tell what a gate would say to a token; the exit code is 1 for no. It is not
counted as a use of the token. Of the original request the gate knows what
--method, --uri and --ip say, and nothing more; a gate without a proxy in front
of it knows nothing in any case.

A token on the command line can be seen by others in the list of processes: with
- it is read from stdin.`,
		Example: `  tokendrop verify - < token
  tokendrop verify - --gate api --method GET --uri /api/articles/7 --ip 192.0.2.7 < token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if ip != "" {
				if q.IP, err = netip.ParseAddr(ip); err != nil || q.IP.Zone() != "" {
					return c.usage("--ip must be an address like 192.0.2.7 or 2001:db8::7")
				}
			}
			if q.Token, err = tokenText(cmd.InOrStdin(), args[0]); err != nil {
				return err
			}
			return c.ask(cmd, func(s admin.Service) error {
				v, err := s.Verify(cmd.Context(), q)
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
	flags := cmd.Flags()
	flags.StringVar(&q.Gate, "gate", verify.DefaultName, "gate of this name, which answers at /verify/NAME")
	flags.StringVar(&q.Method, "method", "", "method of the original request, such as GET")
	flags.StringVar(&q.URI, "uri", "", "path and query of the original request, as its client sends them")
	flags.StringVar(&ip, "ip", "", "address of the client of the original request")
	return cmd
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
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("stdin has no token in its first line; pipe one in, as in \"tokendrop verify - < FILE\"")
	}
	return line, nil
}
