package provision

import (
	"fmt"
	"slices"
	"time"
)

// Limits of texts, in bytes.
const (
	maxUser        = 256
	maxName        = 128
	maxDescription = 1024
)

var (
	selectorKeys = []string{"action", "user", "name", "key"}
	sourceKeys   = []string{"token", "digest", "generate"}
)

// allowedKeys are the keys that an entry of each action may state.
var allowedKeys = map[Action][]string{
	Create:     slices.Concat(selectorKeys, sourceKeys, attributeKeys),
	Ensure:     slices.Concat(selectorKeys, sourceKeys, attributeKeys),
	Update:     slices.Concat(selectorKeys, []string{"set"}),
	Delete:     selectorKeys,
	Enable:     selectorKeys,
	Disable:    selectorKeys,
	Regenerate: slices.Concat(selectorKeys, sourceKeys, []string{"expires_at", "expires_in", "issued_at"}),
}

// entry reads one entry. The document's action holds for those that state
// none; known is false if it was wrong, and has been reported.
func (v *validator) entry(m *Manifest, n *node, action Action, known bool) {
	if n.bad {
		return
	}
	if n.kind != mapKind {
		v.report.at(n.pos, "an entry is a mapping of fields to values")
		return
	}
	fs := v.fields(n, entryScope)
	if f := fs.stated("action"); f != nil {
		action, _ = v.action(f)
	} else if known && action == "" && fs.missing("action") {
		v.report.also(n.pos, `no "action"; state one in the entry, or one for all entries at the top of the file`)
	}
	m.Entries = append(m.Entries, Entry{Pos: n.pos, Action: action})
	e := &m.Entries[len(m.Entries)-1]
	if action != "" {
		v.allowed(fs, action)
	}
	e.User = v.identifier(fs.stated("user"), maxUser)
	e.Name = v.identifier(fs.stated("name"), maxName)
	v.selection(fs, action)
	v.source(fs, e)
	e.Attributes = v.attributes(fs, false)
	if f := fs.stated("set"); f != nil {
		e.Set = v.set(f)
	} else if action == Update && fs.missing("set") {
		v.report.also(n.pos, `"update" changes what is under "set", and there is no "set"`)
	}
}

// allowed reports the fields that the action does not take, and forgets them.
func (v *validator) allowed(fs *fields, action Action) {
	for i, f := range fs.known {
		if f == nil || slices.Contains(allowedKeys[action], f.key.text) {
			continue
		}
		v.report.at(f.key.pos, notAllowed(f.key.text, action))
		fs.known[i] = nil
		fs.meant[i] = true
	}
}

func notAllowed(key string, action Action) string {
	source := slices.Contains(sourceKeys, key)
	switch {
	case key == "set":
		return fmt.Sprintf(`"set" is for "update" only; with %q write its fields into the entry itself`, action)
	case action == Update && source:
		return fmt.Sprintf(`%q does not go with "update", which keeps the secret; "regenerate" or "ensure" replaces it`, key)
	case action == Update:
		return fmt.Sprintf(`with "update" write %q under "set"`, key)
	case action == Regenerate:
		return fmt.Sprintf(`"regenerate" keeps %q; use "update" to change it`, key)
	}
	return fmt.Sprintf(`%q takes only "key", or "user" and "name"; remove %q`, action, key)
}

// selection checks that the entry says which token it means.
func (v *validator) selection(fs *fields, action Action) {
	noUser, noName := fs.missing("user"), fs.missing("name")
	switch {
	case noUser && noName && action == Create:
		v.report.also(fs.pos, `"user" and "name" are missing; "create" needs both`)
	case noUser && noName && action != "" && fs.missing("key"):
		v.report.also(fs.pos, `which token? state "key", or "user" and "name"`)
	case noUser && !noName:
		v.report.also(fs.pos, `"user" is missing; "name" means a token only together with it`)
	case noName && !noUser:
		v.report.also(fs.pos, `"name" is missing; "user" means a token only together with it`)
	}
}

// attributes reads the fields of a token. In set, an empty text or "never"
// clears one.
func (v *validator) attributes(fs *fields, set bool) Attributes {
	a := Attributes{
		Description: v.label(fs.stated("description"), maxDescription),
		Expiry:      v.expiry(fs, set),
		Active:      v.boolean(fs.stated("active")),
	}
	if f := fs.stated("not_before"); f != nil {
		if text, ok := v.timeText(f); ok {
			if set && cleared(text) {
				a.NotBefore.OK = true
			} else {
				a.NotBefore.Value, a.NotBefore.OK = v.timestamp(f, false)
			}
			a.NotBefore.Pos = f.value.pos
		}
	}
	if f := fs.stated("issued_at"); f != nil {
		if _, ok := v.timeText(f); ok {
			a.IssuedAt.Value, a.IssuedAt.OK = v.timestamp(f, false)
			a.IssuedAt.Pos = f.value.pos
		}
	}
	return a
}

func cleared(text string) bool { return text == "" || text == "never" }

func (v *validator) expiry(fs *fields, set bool) (x Stated[Expiry]) {
	at, in := fs.stated("expires_at"), fs.stated("expires_in")
	switch {
	case at != nil && in != nil:
		later := at.key.pos
		if later.before(in.key.pos) {
			later = in.key.pos
		}
		v.report.at(later, `"expires_at" and "expires_in" are both stated; state one of them`)
	case at != nil:
		if text, ok := v.timeText(at); ok {
			x = Stated[Expiry]{Pos: at.value.pos, OK: true}
			if text != "never" && (!set || text != "") {
				x.Value.At, x.OK = v.timestamp(at, true)
			}
		}
	case in != nil:
		if text, ok := v.durationText(in); ok {
			x = Stated[Expiry]{Pos: in.value.pos, OK: true}
			if text != "unlimited" && (!set || text != "") {
				x.Value.In, x.OK = v.duration(in, text)
			}
		}
	}
	return x
}

func (v *validator) durationText(f *field) (string, bool) {
	if f.value.kind == numberKind && !f.value.bad {
		v.report.at(f.value.pos, fmt.Sprintf("%q lacks its unit; write a whole number with s, m, h or d, like 90d", f.key.text))
		return "", false
	}
	return v.text(f)
}

func (v *validator) duration(f *field, text string) (d time.Duration, ok bool) {
	d, problem := duration(text)
	if problem != "" {
		v.report.at(f.value.pos, fmt.Sprintf("%q %s", f.key.text, problem))
	}
	return d, problem == ""
}

// set reads what an update changes.
func (v *validator) set(f *field) Stated[Set] {
	if !v.typed(f, mapKind) {
		return Stated[Set]{}
	}
	n := f.value
	if len(n.fields) == 0 {
		v.report.at(n.pos, `"set" is empty; state the fields to change`)
		return Stated[Set]{}
	}
	fs := v.fields(n, setScope)
	return Stated[Set]{
		Value: Set{
			User:       v.identifier(fs.stated("user"), maxUser),
			Name:       v.identifier(fs.stated("name"), maxName),
			Attributes: v.attributes(fs, true),
		},
		Pos: n.pos, OK: true,
	}
}

func (p Pos) before(o Pos) bool { return p.Line < o.Line || p.Line == o.Line && p.Col < o.Col }
