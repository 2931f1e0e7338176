package provision

import (
	"fmt"
	"slices"
	"strings"
)

// scope is a kind of mapping in a manifest, with the keys it may have.
type scope struct {
	keys []string
	// hint says what to do with a key that is known elsewhere, or what the
	// keys here are.
	hint func(key string) string
}

var (
	topKeys       = []string{"version", "action", "on_success", "once", "for", "serial", "tokens", "users"}
	attributeKeys = []string{
		"description", "expires_at", "expires_in", "not_before", "issued_at", "active",
		"type", "scopes", "scope_sets", "allowed_ips", "audience", "labels",
	}
	entryKeys = slices.Concat([]string{
		"action", "user", "name", "key", "all", "expect", "token", "token_file", "token_env", "digest", "generate", "credentials",
		"write_to", "from", "set", "grace", "generation", "older_than",
	}, attributeKeys)
	setKeys        = slices.Concat([]string{"user", "name"}, attributeKeys)
	fromKeys       = []string{"user", "name", "key"}
	credentialKeys = []string{"key", "digest", "token", "token_file", "token_env", "generate"}
	outputKeys     = []string{"path", "mode", "owner", "group", "format"}
	userKeys       = []string{"user", "blocked", "reason"}
)

var (
	topScope        = &scope{topKeys, topHint}
	entryScope      = &scope{entryKeys, entryHint}
	setScope        = &scope{setKeys, setHint}
	fromScope       = &scope{fromKeys, fromHint}
	credentialScope = &scope{credentialKeys, credentialHint}
	outputScope     = &scope{outputKeys, outputHint}
	userScope       = &scope{userKeys, userHint}
)

func topHint(key string) string {
	switch {
	case slices.Contains(entryKeys, key):
		return `it belongs in an entry under "tokens"`
	case slices.Contains(userKeys, key):
		return `it belongs in an entry under "users"`
	}
	return "at the top there are " + strings.Join(topKeys, ", ")
}

func entryHint(key string) string {
	switch {
	case slices.Contains(topKeys, key):
		return "it belongs at the top of the file"
	case slices.Contains(userKeys, key):
		return `it belongs in an entry under "users"`
	case slices.Contains(outputKeys, key):
		return `it belongs under "write_to"`
	}
	return "an entry has " + strings.Join(entryKeys, ", ")
}

func setHint(key string) string {
	switch key {
	case "token", "token_file", "token_env", "digest", "generate", "credentials", "write_to", "grace", "generation", "older_than":
		return `"update" keeps the secret, and "regenerate" or "ensure" replaces it`
	case "key":
		return `a token's key changes only with its secret; "key" in the entry selects the token`
	case "action", "all", "expect":
		return `it belongs in the entry, beside "set"`
	}
	return `under "set" there are ` + strings.Join(setKeys, ", ")
}

func fromHint(key string) string {
	if slices.Contains(attributeKeys, key) {
		return `it belongs in the entry, beside "from", where it overrides what is copied`
	}
	return `under "from" there are ` + strings.Join(fromKeys, ", ")
}

func credentialHint(key string) string {
	if slices.Contains(entryKeys, key) {
		return `it belongs in the entry, beside "credentials"`
	}
	return "a credential has " + strings.Join(credentialKeys, ", ")
}

func outputHint(key string) string {
	if slices.Contains(entryKeys, key) {
		return `it belongs in the entry, beside "write_to"`
	}
	return `under "write_to" there are ` + strings.Join(outputKeys, ", ")
}

func userHint(key string) string {
	if slices.Contains(entryKeys, key) {
		return `it belongs in an entry under "tokens"`
	}
	return `an entry under "users" has ` + strings.Join(userKeys, ", ")
}

// maxKnown is more than any scope has keys.
const maxKnown = 32

// fields are the known keys of one mapping, with their values.
type fields struct {
	scope *scope
	pos   Pos
	known [maxKnown]*field // by index in scope.keys
	// meant are keys that are there in a wrong spelling: what is misspelled is
	// not reported as missing too.
	meant [maxKnown]bool
}

// fields sorts a mapping by its known keys and reports the others.
func (v *validator) fields(n *node, s *scope) *fields {
	fs := &fields{scope: s, pos: n.pos}
	for i := range n.fields {
		f := &n.fields[i]
		if f.key.bad {
			fs.mayHaveAll()
			continue
		}
		if !f.key.scalar() {
			v.report.at(f.key.pos, "a key is one plain word")
			continue
		}
		at := slices.Index(s.keys, f.key.text)
		switch {
		case at < 0:
			v.unknownKey(fs, f.key)
		case fs.known[at] != nil:
			v.report.at(f.key.pos, duplicate(f.key))
		default:
			fs.known[at] = f
		}
	}
	return fs
}

// mayHaveAll is for a merge key, which stands for fields that are not read.
func (fs *fields) mayHaveAll() {
	for i := range fs.meant {
		fs.meant[i] = true
	}
}

func (fs *fields) index(key string) int { return slices.Index(fs.scope.keys, key) }

// stated is the field of that key, nil if there is none.
func (fs *fields) stated(key string) *field {
	if at := fs.index(key); at >= 0 {
		return fs.known[at]
	}
	return nil
}

// missing tells whether none of the keys is there, not even misspelled.
func (fs *fields) missing(keys ...string) bool {
	for _, key := range keys {
		if at := fs.index(key); at >= 0 && (fs.known[at] != nil || fs.meant[at]) {
			return false
		}
	}
	return true
}

// forget makes a field that has been dealt with, or reported, neither stated
// nor missing.
func (fs *fields) forget(key string) {
	at := fs.index(key)
	fs.known[at], fs.meant[at] = nil, true
}

func (v *validator) unknownKey(fs *fields, key *node) {
	likely := ""
	elsewhere := slices.ContainsFunc([][]string{topKeys, entryKeys, userKeys, outputKeys}, func(keys []string) bool {
		return slices.Contains(keys, key.text)
	})
	if !elsewhere && len(v.report.problems) <= maxProblems { // what is not told needs no advice
		likely = Nearest(key.text, fs.scope.keys)
	}
	if likely != "" {
		fs.meant[fs.index(likely)] = true
		if strings.EqualFold(key.text, likely) {
			v.report.at(key.pos, fmt.Sprintf("keys are written in lower case: %q", likely))
			return
		}
		v.report.at(key.pos, fmt.Sprintf("unknown key%s; did you mean %q?", shown(key.text), likely))
		return
	}
	v.report.at(key.pos, fmt.Sprintf("unknown key%s; %s", shown(key.text), fs.scope.hint(key.text)))
}

func duplicate(key *node) string {
	return fmt.Sprintf("the key%s is here twice; state it once", shown(key.text))
}

// longestShown is how long a word with digits in it may be to be shown:
// anything longer could be a secret.
const longestShown = 15

// shown is a space and the key in quotes if it looks like the name of a field,
// else nothing.
func shown(key string) string {
	digits := false
	for _, c := range []byte(key) {
		digits = digits || c >= '0' && c <= '9'
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return ""
		}
	}
	if key == "" || len(key) > 32 || digits && len(key) > longestShown {
		return ""
	}
	return fmt.Sprintf(" %q", key)
}

// Nearest is the one of words that was likely meant by a word that is none of
// them, or nothing.
func Nearest(word string, words []string) string {
	if len(word) > longestWord {
		return ""
	}
	plain := strings.NewReplacer("-", "", "_", "", " ", "")
	best, least := "", 3
	for _, w := range words {
		d := distance(plain.Replace(strings.ToLower(word)), plain.Replace(strings.ToLower(w)))
		if d < least && 2*d < len(w) {
			best, least = w, d
		}
	}
	return best
}

// longestWord is the length in bytes from which on a word is not compared with
// others.
const longestWord = 64

// distance is how many characters must be put in, taken out, changed, or
// swapped with the next one to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := range rows[i] {
			switch {
			case i == 0:
				rows[i][j] = j
			case j > 0:
				rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ(a[i-1] != b[j-1]))
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}

func differ(different bool) int {
	if different {
		return 1
	}
	return 0
}
