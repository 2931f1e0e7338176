package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// field is a field of a manifest's entry that a flag states.
type field struct {
	kind  kind
	usage string
}

// kind is what a field's value is.
type kind int

const (
	aText   kind = iota
	aSecret      // a file that holds it
	aList
	aMap
	aNumber
	aTruth
	keys // one, or a list
)

// fields are those that an entry can have, by their names in manifests. The
// flags have - in the place of _.
var fields = map[string]field{
	"user":        {aText, "user of the token"},
	"name":        {aText, "name of the token, unique for its user"},
	"key":         {keys, "key of the token"},
	"all":         {aTruth, "all tokens of --user"},
	"expect":      {aNumber, "fail unless it is so many tokens"},
	"token":       {aSecret, "take the token from this `FILE`, - for stdin"},
	"digest":      {aText, "digest of the token, such as sha256:HEX; see \"tokendrop token new --manifest\""},
	"generate":    {aTruth, "make a token, and print it"},
	"description": {aText, "what it is for"},
	"expires_at":  {aText, "end, as a `TIME` like 2027-12-31T12:00:00Z, a date, whose day is the last, or never"},
	"expires_in":  {aText, "end, as a `DURATION` from now such as 90d, or unlimited"},
	"not_before":  {aText, "begin, as a `TIME` or a date"},
	"issued_at":   {aText, "when it was issued, as a `TIME` or a date; --expires-in counts from there"},
	"active":      {aTruth, "--active=false: refused until it is enabled"},
	"type":        {aText, "full-access, read-only or custom"},
	"scopes":      {aList, "what a custom token may do, as in api::article.*,api::page.find"},
	"scope_sets":  {aList, "sets of scopes by their names in the configuration"},
	"allowed_ips": {aList, "addresses and networks that may use it"},
	"audience":    {aText, "gates of this audience alone take it (default api)"},
	"labels":      {aMap, "labels, as in team=ops,stage=prod"},
	"grace":       {aText, "how long replaced credentials stay good, such as 1h"},
	"generation":  {aNumber, "only if it has not been issued so often yet"},
	"older_than":  {aText, "only if the secret is older than this `DURATION`"},
	"reason":      {aText, "why, for who looks at it later"},
}

// attributes are the fields of what is known about a token.
var attributes = []string{
	"description", "expires_at", "expires_in", "not_before", "issued_at", "active",
	"type", "scopes", "scope_sets", "allowed_ips", "audience", "labels",
}

// flagName is the flag that states a field.
func flagName(name string) string {
	if fields[name].kind == aSecret {
		name += "_file"
	}
	return strings.ReplaceAll(name, "_", "-")
}

// addFields adds the flags of fields.
func addFields(cmd *cobra.Command, names []string) {
	flags := cmd.Flags()
	for _, name := range names {
		flag, usage := flagName(name), fields[name].usage
		switch fields[name].kind {
		case aText, aSecret:
			flags.String(flag, "", usage)
		case aList, aMap, keys:
			flags.StringSlice(flag, nil, usage)
		case aNumber:
			flags.Uint64(flag, 0, usage)
		case aTruth:
			flags.Bool(flag, false, usage)
		}
	}
}

// stated are the fields that the command line states, as a manifest would. An empty
// list is refused unless it clears a field: elsewhere it comes of a variable that was
// never set, and the token could do more than was meant.
func stated(cmd *cobra.Command, names []string, clears bool) (entry, error) {
	e := make(entry)
	for _, name := range names {
		if !cmd.Flags().Changed(flagName(name)) {
			continue
		}
		value, err := fieldValue(cmd, name)
		if err == nil && !clears && isNothing(value) {
			err = errors.New(`is empty; state what is meant, or leave the flag out ("tokendrop update" clears a field with it)`)
		}
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flagName(name), err)
		}
		e[name] = value
	}
	return e, nil
}

// isNothing tells whether a value is an empty list.
func isNothing(value any) bool {
	switch list := value.(type) {
	case []string:
		return len(list) == 0
	case map[string]string:
		return len(list) == 0
	}
	return false
}

func fieldValue(cmd *cobra.Command, name string) (any, error) {
	flags, flag := cmd.Flags(), flagName(name)
	switch fields[name].kind {
	case aNumber:
		return flags.GetUint64(flag)
	case aTruth:
		return flags.GetBool(flag)
	case aText, aSecret:
		text, err := flags.GetString(flag)
		if err == nil && fields[name].kind == aSecret {
			return readSecret(cmd.InOrStdin(), text)
		}
		return text, errors.Join(err, wellFormed(text))
	case aList, aMap, keys:
	}
	list, err := flags.GetStringSlice(flag)
	switch err = errors.Join(err, wellFormed(list...)); {
	case err != nil:
		return nil, err
	case fields[name].kind == aMap:
		return pairs(list)
	case fields[name].kind == keys && len(list) == 1:
		return list[0], nil
	}
	return list, nil
}

// wellFormed refuses what JSON would change on its way.
func wellFormed(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return errors.New("must be UTF-8")
		}
	}
	return nil
}

// pairs reads a list of NAME=VALUE.
func pairs(list []string) (map[string]string, error) {
	m := make(map[string]string, len(list))
	for _, one := range list {
		name, value, ok := strings.Cut(one, "=")
		if _, twice := m[name]; twice || !ok {
			return nil, errors.New("must be a list of NAME=VALUE, each name once, as in team=ops,stage=prod")
		}
		m[name] = value
	}
	return m, nil
}

// readSecret reads a token from a file, or from stdin where that is "-". One
// newline after it is ignored.
func readSecret(stdin io.Reader, file string) (string, error) {
	from := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // nothing is written
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxTokenLine))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(string(text), "\n")
	if secret == "" {
		return "", errors.New("there is no token in it")
	}
	return secret, wellFormed(secret)
}
