package provision

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store"
)

// Limits of lists and labels, and in bytes of what is in them.
const (
	maxWords    = 64
	maxWord     = 128
	maxLabels   = 16
	maxLabelKey = 64
	maxLabel    = 256
)

// wordBytes are what scopes and audiences are made of.
const wordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:._/-"

// only tells whether a text has these bytes and no others.
func only(text, bytes string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return !strings.ContainsRune(bytes, c) })
}

// word reads one scope, name of a set of scopes, or audience. It may have the
// bytes of extra too.
func (v *validator) word(f *field, extra string) (string, bool) {
	text, ok := v.text(f)
	if !ok {
		return "", false
	}
	problem := wordProblem(text, extra)
	if problem != "" {
		v.report.at(f.value.pos, f.name()+" "+problem)
	}
	return text, problem == ""
}

func wordProblem(text, extra string) string {
	switch {
	case text == "":
		return "is empty"
	case len(text) > maxWord:
		return fmt.Sprintf("is longer than %d bytes", maxWord)
	case strings.Contains(text, "*") && extra == "":
		return `has a * in it, which stands for more only in "scopes"; write it out`
	case !only(text, wordBytes+extra):
		return strings.TrimSpace("has a character that it cannot have; there are A-Z a-z 0-9 : . _ / - " + extra)
	}
	return ""
}

// CheckScope says what is wrong with a scope, or with a pattern of scopes,
// which has the same form.
func CheckScope(text string) error { return checkWord(text, "*") }

// CheckWord says what is wrong with an audience, or with the name of a set of
// scopes.
func CheckWord(text string) error { return checkWord(text, "") }

func checkWord(text, extra string) error {
	if problem := wordProblem(text, extra); problem != "" {
		return errors.New(problem)
	}
	return nil
}

func (v *validator) scopes(f *field) Stated[[]string] {
	s := listOf(v, f, maxWords, func(f *field) (string, bool) { return v.word(f, "*") })
	slices.Sort(s.Value)
	return s
}

func (v *validator) scopeSets(f *field) Stated[[]string] {
	s := listOf(v, f, maxWords, v.scopeSet)
	slices.Sort(s.Value)
	return s
}

// scopeSet reads the name of a set, which has to be in the configuration: a
// token that names another could do nothing today, and who knows what tomorrow.
func (v *validator) scopeSet(f *field) (string, bool) {
	name, ok := v.word(f, "")
	if _, known := v.decoder.ScopeSets[name]; !ok || known || v.decoder.ScopeSets == nil {
		return name, ok
	}
	advice := " is no set of scopes in the configuration; add it there under [scope_sets]"
	if len(v.report.problems) < maxProblems { // others are not told, and there may be many sets
		if likely := Nearest(name, slices.Sorted(maps.Keys(v.decoder.ScopeSets))); likely != "" {
			advice += fmt.Sprintf("; did you mean %q?", likely)
		}
	}
	v.report.at(f.value.pos, f.name()+advice)
	return name, false
}

func (v *validator) audience(f *field, set bool) Stated[string] {
	if f == nil {
		return Stated[string]{}
	}
	if n := f.value; set && n.kind == textKind && n.text == "" && !n.bad {
		return Stated[string]{Value: store.DefaultAudience, Pos: n.pos, OK: true}
	}
	text, ok := v.word(f, "")
	return Stated[string]{Value: text, Pos: f.value.pos, OK: ok}
}

// addresses reads a list of addresses and networks.
func (v *validator) addresses(f *field) Stated[[]netip.Prefix] {
	s := listOf(v, f, maxEntries, v.network)
	slices.SortFunc(s.Value, netip.Prefix.Compare)
	return s
}

func (v *validator) network(f *field) (netip.Prefix, bool) {
	text, ok := v.text(f)
	if !ok {
		return netip.Prefix{}, false
	}
	p, problem := network(text)
	if problem != "" {
		v.report.at(f.value.pos, f.name()+" "+problem)
	}
	return p, problem == ""
}

// ParseNetwork reads an address, which is a network of one, or a network in
// CIDR. Its error says what to write instead.
func ParseNetwork(text string) (netip.Prefix, error) {
	p, problem := network(text)
	if problem != "" {
		return netip.Prefix{}, errors.New(problem)
	}
	return p, nil
}

// network reads an address, which is a network of one, or a network in CIDR.
func network(text string) (p netip.Prefix, problem string) {
	var err error
	if strings.Contains(text, "/") {
		p, err = netip.ParsePrefix(text)
	} else {
		var a netip.Addr
		a, err = netip.ParseAddr(text)
		p = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case strings.Contains(text, "%"):
		problem = "has a zone, which no proxy tells; write the address without % and what follows it"
	case err != nil:
		problem = "is no address; write one like 192.0.2.7 or 2001:db8::7, or a network like 192.0.2.0/24"
	case p.Addr().Is4In6():
		problem = "is an IPv4 address in the form of IPv6; write it as IPv4, like 192.0.2.7"
	case p != p.Masked():
		problem = "is a network with bits set behind its prefix; write the network's first address, as in 10.1.0.0/16 and not 10.1.2.3/16"
	}
	return p, problem
}

// labels reads a mapping of labels.
func (v *validator) labels(f *field) Stated[[]store.Label] {
	if f == nil || !v.typed(f, mapKind) {
		return Stated[[]store.Label]{}
	}
	s := Stated[[]store.Label]{Pos: f.value.pos, OK: true}
	if all := f.value.fields; len(all) > maxLabels {
		v.report.at(all[maxLabels].key.pos, fmt.Sprintf("more than %d labels", maxLabels))
		return Stated[[]store.Label]{}
	}
	for _, one := range f.value.fields {
		l, ok := v.oneLabel(f, one)
		if ok && slices.ContainsFunc(s.Value, func(o store.Label) bool { return o.Key == l.Key }) {
			v.report.at(one.key.pos, duplicate(one.key))
		}
		s.Value, s.OK = append(s.Value, l), s.OK && ok
	}
	slices.SortFunc(s.Value, func(a, b store.Label) int { return strings.Compare(a.Key, b.Key) })
	return s
}

const labelKeyBytes = "abcdefghijklmnopqrstuvwxyz0123456789._-"

func (v *validator) oneLabel(labels *field, one field) (store.Label, bool) {
	key := one.key
	problem := ""
	switch {
	case key.bad:
		return store.Label{}, false
	case !key.scalar():
		problem = "a key is one plain word"
	case key.kind != textKind:
		problem = "the key of a label is text; put quotes around it"
	case key.text == "" || len(key.text) > maxLabelKey || !only(key.text, labelKeyBytes):
		problem = fmt.Sprintf("the key of a label has 1 to %d of the characters a-z 0-9 . _ and -", maxLabelKey)
	case one.value.kind == mapKind && v.syntax == tomlSyntax:
		problem = "a label is one text; put quotes around a key that has dots in it"
	}
	if problem != "" {
		v.report.at(key.pos, problem)
		return store.Label{}, false
	}
	value := v.label(&field{labels.key, one.value, "a value of "}, maxLabel)
	return store.Label{Key: key.text, Value: value.Value}, value.OK
}

// listOf reads a list of things of which none may be there twice.
func listOf[T comparable](v *validator, f *field, limit int, read func(*field) (T, bool)) Stated[[]T] {
	if f == nil || !v.typed(f, listKind) {
		return Stated[[]T]{}
	}
	items := f.value.items
	if len(items) > limit {
		v.report.at(items[limit].pos, fmt.Sprintf("more than %d items in %s", limit, f.name()))
		return Stated[[]T]{}
	}
	s := Stated[[]T]{Pos: f.value.pos, OK: true}
	seen := make(map[T]bool, len(items))
	for _, n := range items {
		item := field{f.key, n, "an item of "}
		t, ok := read(&item)
		if ok && seen[t] {
			v.report.at(n.pos, item.name()+" is there twice; state it once")
		}
		seen[t] = ok
		s.Value, s.OK = append(s.Value, t), s.OK && ok
	}
	return s
}
