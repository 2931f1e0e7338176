package provision

import (
	"fmt"
	"slices"
	"strings"
)

// validator makes a Manifest of the tree that a syntax has been read into.
type validator struct {
	report  *report
	syntax  syntax
	decoder Decoder
	count   int             // of entries, right or wrong
	users   map[string]bool // that are stated under "users"
}

func (v *validator) manifest(docs []*node) *Manifest {
	m := &Manifest{}
	var disposition Stated[Disposition]
	for _, doc := range docs {
		if doc.bad {
			continue
		}
		if doc.kind != mapKind {
			v.report.at(doc.pos, `a manifest is a mapping, with its entries under "tokens"`)
			continue
		}
		if len(doc.fields) == 0 {
			continue
		}
		fs := v.fields(doc, topScope)
		v.version(fs.stated("version"))
		disposition = agreed(v, "on_success", disposition, v.disposition(fs.stated("on_success")))
		m.Once = agreed(v, "once", m.Once, v.identifier(fs.stated("once"), maxOnce))
		m.For = agreed(v, "for", m.For, v.place(fs.stated("for")))
		m.Serial = agreed(v, "serial", m.Serial, v.whole(fs.stated("serial"), 1, 63))
		if !v.entries(m, fs) {
			return m
		}
	}
	m.OnSuccess = disposition.Value
	return m
}

// agreed is what a document states or, where it states nothing, what an
// earlier one does: all that state it have to agree.
func agreed[T comparable](v *validator, key string, before, now Stated[T]) Stated[T] {
	if !now.OK {
		return before
	}
	if before.OK && before.Value != now.Value {
		v.report.at(now.Pos, fmt.Sprintf("another document of this file states another %q; a file has one", key))
		return before
	}
	return now
}

// entries reads what a document has under "tokens" and "users". It returns
// false when the file has too many.
func (v *validator) entries(m *Manifest, fs *fields) bool {
	action, known := v.action(fs.stated("action"))
	tokens, users := v.items(fs.stated("tokens")), v.items(fs.stated("users"))
	if fs.missing("tokens") && fs.missing("users") {
		v.report.also(fs.pos, `"tokens" is missing; state the entries under it`)
	}
	if v.count += len(tokens) + len(users); v.count > maxEntries {
		all := slices.Concat(tokens, users)
		v.report.at(all[len(all)-(v.count-maxEntries)].pos, fmt.Sprintf("more than %d entries; split the file into several", maxEntries))
		return false
	}
	m.Entries = slices.Grow(m.Entries, len(tokens))
	for _, item := range tokens {
		v.entry(m, item, action, known)
	}
	for _, item := range users {
		v.userEntry(m, item)
	}
	return true
}

func (v *validator) items(f *field) []*node {
	if f == nil || !v.typed(f, listKind) {
		return nil
	}
	return f.value.items
}

func (v *validator) version(f *field) {
	if f == nil || !v.typed(f, numberKind) {
		return
	}
	if f.value.text != "1" {
		v.report.at(f.value.pos, `there is no such version of manifests; write 1, or leave "version" out`)
	}
}

var dispositions = []string{string(Rename), string(Remove)}

func (v *validator) disposition(f *field) Stated[Disposition] {
	text, ok := v.choice(f, dispositions)
	if !ok {
		return Stated[Disposition]{}
	}
	return Stated[Disposition]{Value: Disposition(text), Pos: f.value.pos, OK: true}
}

var actions = []string{
	string(Create), string(Ensure), string(Update), string(Delete), string(Revoke),
	string(Enable), string(Disable), string(Regenerate), string(Copy),
}

// action reads an action. It is not known if one is stated that is none.
func (v *validator) action(f *field) (action Action, known bool) {
	text, ok := v.choice(f, actions)
	return Action(text), ok || f == nil
}

// choice reads one of several words.
func (v *validator) choice(f *field, words []string) (string, bool) {
	if f == nil {
		return "", false
	}
	text, ok := v.text(f)
	if !ok {
		return "", false
	}
	if slices.Contains(words, text) {
		return text, true
	}
	advice := "is one of " + strings.Join(words, ", ")
	if likely := Nearest(text, words); likely != "" {
		advice += fmt.Sprintf("; did you mean %q?", likely)
	}
	v.report.at(f.value.pos, fmt.Sprintf("%s %s", f.name(), advice))
	return "", false
}

// userEntry reads what is said about a user, or about those that a pattern
// matches.
func (v *validator) userEntry(m *Manifest, n *node) {
	if n.bad {
		return
	}
	if n.kind != mapKind {
		v.report.at(n.pos, `an entry under "users" is a mapping with "user" and "blocked"`)
		return
	}
	fs := v.fields(n, userScope)
	user := v.identifier(fs.stated("user"), maxUser)
	blocked := v.boolean(fs.stated("blocked"))
	reason := v.label(fs.stated("reason"), maxReason)
	if fs.missing("user") {
		v.report.also(n.pos, `"user" is missing; state the user, or a pattern of users`)
	}
	if fs.missing("blocked") {
		v.report.also(n.pos, `"blocked" is missing; state true, or false to let the user in again`)
	}
	if user.OK && v.users[user.Value] {
		v.report.at(user.Pos, `"user" is the same as in an entry above; a file says one thing about each user`)
	}
	if v.users == nil {
		v.users = make(map[string]bool)
	}
	v.users[user.Value] = user.OK
	m.Users = append(m.Users, UserEntry{Pos: n.pos, User: user.Value, Blocked: blocked.Value, Reason: reason.Value})
}
