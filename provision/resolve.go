package provision

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// resolver reads the tokens that manifests of one drop directory point to. It
// keeps of each no more than a Credential.
type resolver struct {
	rules     Rules
	decoder   Decoder
	forbidden forbidden
	report    report
}

// resolve is the manifest with all that it points to, for a drop directory: a
// copy, unless it points to nothing. What cannot be read is a problem at the
// place that points to it.
func (s *Settings) resolve(m *Manifest, dir string) (*Manifest, []Problem) {
	r := resolver{rules: s.Rules[dir], decoder: s.decoder()}
	resolved := m
	for i := range m.Entries {
		e := &m.Entries[i]
		if !slices.ContainsFunc(e.Sources, func(s Source) bool { return s.outside() }) {
			continue
		}
		if resolved == m {
			c := *m
			c.Entries = slices.Clone(m.Entries)
			resolved, r.forbidden = &c, s.forbidden()
		}
		r.entry(&resolved.Entries[i])
	}
	return resolved, r.report.sorted()
}

// entry reads what an entry of the copy points to.
func (r *resolver) entry(e *Entry) {
	e.Sources = slices.Clone(e.Sources)
	for i := range e.Sources {
		s := &e.Sources[i]
		if !s.outside() {
			continue
		}
		c, problem := r.credential(s)
		if problem == "" && slices.ContainsFunc(e.Sources, func(o Source) bool { return o.HasKey && o.Pos != s.Pos && o.Key == c.Key }) {
			problem = "the token that it leads to is stated beside it already, or another one with its key; a token has each credential once"
		}
		if problem != "" {
			r.report.at(s.Pos, problem)
			continue
		}
		*s = Source{Pos: s.Pos, Credential: c}
	}
	if e.Action == Revoke {
		revoked(e, e.Key)
	}
}

func (r *resolver) credential(s *Source) (c Credential, problem string) {
	text, problem := r.text(s)
	if problem != "" {
		return c, problem
	}
	text = withoutNewline(text)
	if text == "" {
		return c, s.name() + " leads to nothing but an empty text; write a token there first"
	}
	tok, err := r.decoder.Formats.Parse(text)
	switch {
	case err != nil:
		return c, fmt.Sprintf("what %s leads to %s", s.name(), noToken(text, err))
	case s.HasKey && s.Key != tok.Key:
		return c, fmt.Sprintf(`"key" is not the key of the token that %s leads to; leave it out, or write what "tokendrop token key" prints`, s.name())
	}
	if c, err = r.decoder.credential(tok); err != nil {
		return c, fmt.Sprintf("what %s leads to %s", s.name(), noRandomness)
	}
	return c, ""
}

func (r *resolver) text(s *Source) (text, problem string) {
	if s.File != "" {
		return r.readFile(s.File)
	}
	if !slices.Contains(r.rules.SecretEnv, s.Env) {
		return "", `"token_env" names a variable that manifests here may not read; "secret_env" in the configuration of the drop directory lists those that they may`
	}
	text = os.Getenv(s.Env)
	if text == "" {
		return "", `the variable of "token_env" is not set in the daemon's environment, or empty; set it there, and restart the daemon`
	}
	return text, ""
}

// name is what a problem calls the source.
func (s *Source) name() string {
	if s.File != "" {
		return `"token_file"`
	}
	return `"token_env"`
}

// withoutNewline leaves out one line break at the end, as editors and echo put
// it there.
func withoutNewline(text string) string {
	text, cut := strings.CutSuffix(text, "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	return text
}
