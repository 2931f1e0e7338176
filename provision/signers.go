package provision

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// signers are the lines of an allowed_signers file; see ALLOWED SIGNERS in
// ssh-keygen(1). Whoever they admit, ssh-keygen admits too; it also admits
// certificates.
type signers struct {
	usable []signer
	wrong  []Problem // lines that cannot be used, and why
}

// signer is one usable line.
type signer struct {
	principal  string // the first one
	key        string // in SSH wire format
	namespaces Stated[string]
	after      moment // zero: from the beginning
	before     moment // the last instant; zero: to the end
}

// moment is a time in UTC or, as in ssh-keygen, where it has no Z, in the time
// zone of the host.
type moment struct {
	clock time.Time // as a clock in UTC shows it
	utc   bool
}

func (m moment) isZero() bool { return m.clock.IsZero() }

func (m moment) in(zone *time.Location) time.Time {
	if m.utc {
		return m.clock
	}
	c := m.clock
	return time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), 0, zone)
}

// parseSigners reads an allowed_signers file. A line that cannot be used takes
// nothing from the others, as in ssh-keygen.
func parseSigners(text string) signers {
	var s signers
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseSigner(line)
		if err != nil {
			s.wrong = append(s.wrong, Problem{Pos{number, 1}, err.Error()})
			continue
		}
		s.usable = append(s.usable, one)
	}
	return s
}

// parseSigner reads PRINCIPALS [OPTIONS] KEYTYPE KEY [COMMENT].
func parseSigner(line string) (s signer, err error) {
	if strings.ContainsRune(line, 0) {
		return s, errors.New("it has a NUL byte in it")
	}
	principals, rest, err := cutPrincipals(line)
	if err != nil {
		return s, err
	}
	if s.principal, err = firstPrincipal(principals); err != nil {
		return s, err
	}
	if word, _ := cutField(rest); !isKeyType(word) {
		var options string
		if options, rest, err = cutOptions(rest); err != nil {
			return s, err
		}
		if err := s.take(options); err != nil {
			return s, err
		}
	}
	s.key, err = parseKey(rest)
	return s, err
}

// cutPrincipals takes the first field, which may be in quotes as a whole.
func cutPrincipals(line string) (principals, rest string, err error) {
	if inQuotes, ok := strings.CutPrefix(line, `"`); ok {
		principals, rest, ok = strings.Cut(inQuotes, `"`)
		if !ok || strings.Trim(rest[:min(1, len(rest))], " \t") != "" {
			return "", "", errors.New("its principals have a quote at one end only")
		}
		return principals, strings.TrimLeft(rest, " \t"), nil
	}
	principals, rest = cutField(line)
	if strings.Contains(principals, `"`) {
		return "", "", errors.New("its principals have a quote inside; quote all of them together")
	}
	return principals, rest, nil
}

// cutField takes what is in front of the first blanks.
func cutField(text string) (field, rest string) {
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimLeft(text[end:], " \t")
}

// firstPrincipal is the name that a signer goes by: any name would do, since
// nobody says who has signed, but there has to be one that the list admits.
func firstPrincipal(list string) (string, error) {
	for name := range strings.SplitSeq(list, ",") {
		if name != "" && name[0] != '!' {
			if matchList(name, list) {
				return name, nil
			}
			break
		}
	}
	return "", errors.New("its principals admit nobody")
}

// cutOptions takes a field in which quotes may hold blanks.
func cutOptions(text string) (options, rest string, err error) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && strings.HasPrefix(text[i+1:], `"`):
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t'):
			return text[:i], strings.TrimLeft(text[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("a quote in its options does not end")
	}
	return "", "", errNoKey
}

var errNoKey = errors.New(`it has no key; after the principals and the options there are the type of the key and the key`)

// keyTypes are the kinds of keys that may sign. DSA is not among them: it is
// broken, and OpenSSH is without it since release 10.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoRSA, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
}

// isKeyType tells the type of a key, good or not, from options.
func isKeyType(word string) bool {
	return slices.Contains(keyTypes, word) || word == "ssh-dss" || strings.HasSuffix(word, "-cert-v01@openssh.com")
}

// parseKey reads the type and the key, and passes over the comment.
func parseKey(text string) (string, error) {
	kind, rest := cutField(text)
	encoded, _ := cutField(rest)
	switch {
	case encoded == "":
		return "", errNoKey
	case !slices.Contains(keyTypes, kind):
		return "", fmt.Errorf("its key is of a type that may not sign here; these may: %s", strings.Join(keyTypes, ", "))
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.Contains(encoded, "\r") { // which the decoder passes over
		return "", errors.New("its key is not in base64")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil || key.Type() != kind {
		return "", errors.New("its key is damaged, or not of the type in front of it")
	}
	return string(key.Marshal()), nil
}

// matchList tells whether a pattern list (see PATTERNS in ssh_config(5)) admits
// a name: one pattern matches it, and none with a "!" in front does.
func matchList(name, list string) (admitted bool) {
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		switch {
		case !matchPattern(name, pattern):
		case negated:
			return false
		default:
			admitted = true
		}
	}
	return admitted
}

// matchPattern matches * with any run of bytes and ? with any single one.
func matchPattern(name, pattern string) bool {
	at, star, retry := 0, -1, 0
	for i := 0; i < len(name); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, retry = at, i
			at++
		case at < len(pattern) && (pattern[at] == '?' || pattern[at] == name[i]):
			at, i = at+1, i+1
		case star >= 0:
			retry++
			at, i = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}
