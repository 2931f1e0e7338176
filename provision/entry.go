package provision

import (
	"fmt"
	"slices"
	"time"
)

var (
	selectorKeys = []string{"action", "user", "name", "key"}
	severalKeys  = []string{"all", "expect"}
	sourceKeys   = []string{"token", "token_file", "token_env", "digest", "generate", "credentials"}
	// secretKeys are the sources that say what a token is, each of one token.
	secretKeys   = []string{"token", "token_file", "token_env", "digest"}
	onceOnlyKeys = []string{"generation", "older_than"}
)

// allowedKeys are the keys that an entry of each action may state.
var allowedKeys = map[Action][]string{
	Create:     slices.Concat(selectorKeys, sourceKeys, attributeKeys, []string{"write_to"}),
	Ensure:     slices.Concat(selectorKeys, sourceKeys, attributeKeys, []string{"write_to", "grace"}),
	Update:     slices.Concat(selectorKeys, severalKeys, []string{"set"}),
	Delete:     slices.Concat(selectorKeys, severalKeys),
	Revoke:     slices.Concat(selectorKeys, severalKeys, secretKeys),
	Enable:     slices.Concat(selectorKeys, severalKeys),
	Disable:    slices.Concat(selectorKeys, severalKeys),
	Regenerate: slices.Concat(selectorKeys, onceOnlyKeys, secretKeys, []string{"generate", "write_to", "grace", "expires_at", "expires_in", "issued_at"}),
	Copy:       slices.Concat([]string{"action", "user", "name", "from", "generate", "write_to"}, attributeKeys),
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
	m.Literals = append(m.Literals, literals(n)...)
	if action != "" {
		v.allowed(fs, action)
	}
	v.selection(fs, e)
	v.source(fs, e)
	v.writeTo(fs, e)
	v.from(fs, e)
	v.replacement(fs, e)
	e.Attributes = v.attributes(fs, false)
	v.custom(fs, &e.Attributes, action == Create)
	if f := fs.stated("set"); f != nil {
		e.Set = v.set(f, e.Keys.OK || e.All.OK)
	} else if action == Update && fs.missing("set") {
		v.report.also(n.pos, `"update" changes what is under "set", and there is no "set"`)
	}
}

// allowed reports the fields that the action does not take, and forgets them.
func (v *validator) allowed(fs *fields, action Action) {
	for _, f := range fs.known {
		if f == nil || slices.Contains(allowedKeys[action], f.key.text) {
			continue
		}
		v.report.at(f.key.pos, notAllowed(f.key.text, action))
		fs.forget(f.key.text)
	}
}

// notAllowed says what to do with a field that the action does not take.
func notAllowed(key string, action Action) string {
	source, attribute := slices.Contains(sourceKeys, key), slices.Contains(attributeKeys, key)
	switch {
	case key == "set" && slices.Contains(allowedKeys[action], "active"):
		return fmt.Sprintf(`"set" is for "update" only; with %q write its fields into the entry itself`, action)
	case key == "set":
		return fmt.Sprintf(`"set" is for "update" only; add such an entry, because %q does not change fields`, action)
	case key == "from":
		return fmt.Sprintf(`"from" is for "copy" only; with %q remove it`, action)
	case key == "write_to":
		return fmt.Sprintf(`"write_to" is for create, ensure, copy and regenerate, which can generate a secret; with %q remove it`, action)
	case key == "grace":
		return fmt.Sprintf(`"grace" is for "regenerate" and "ensure", which replace credentials; with %q remove it`, action)
	case slices.Contains(onceOnlyKeys, key):
		return fmt.Sprintf(`%q is for "regenerate" only; with %q remove it`, key, action)
	case slices.Contains(severalKeys, key):
		return fmt.Sprintf(`%q goes with update, delete, revoke, enable and disable; %q is about one token`, key, action)
	case action == Copy && key == "key":
		return `a copy gets its key when it is made; the "key" of the token to copy belongs under "from"`
	case action == Copy:
		return fmt.Sprintf(`"copy" makes a secret of its own; remove %q, or use "create"`, key)
	case action == Update && source:
		return fmt.Sprintf(`%q does not go with "update", which keeps the secret; "regenerate" or "ensure" replaces it`, key)
	case action == Update:
		return fmt.Sprintf(`with "update" write %q under "set"`, key)
	case action == Regenerate && attribute:
		return fmt.Sprintf(`"regenerate" keeps %q; use "update" to change it`, key)
	case action == Regenerate:
		return `"regenerate" makes one credential; state it without a list, or use "ensure" for two`
	case action == Revoke:
		return fmt.Sprintf(`"revoke" takes only "key", "token", or "user" and "name"; remove %q`, key)
	}
	return fmt.Sprintf(`%q takes only "key", or "user" and "name"; remove %q`, action, key)
}

// maxGrace bounds how long a replaced credential stays good.
const maxGrace = 30 * oneDay

// replacement reads when credentials are replaced, and how long the old ones
// stay good.
func (v *validator) replacement(fs *fields, e *Entry) {
	e.Grace = v.period(fs.stated("grace"))
	if e.Grace.Value > maxGrace {
		v.report.at(e.Grace.Pos, `"grace" is longer than 30d; write 30d or less`)
	}
	e.OlderThan = v.period(fs.stated("older_than"))
	if e.OlderThan.OK && e.OlderThan.Value == 0 {
		v.report.at(e.OlderThan.Pos, `"older_than" `+noTime)
	}
	e.Generation = v.whole(fs.stated("generation"), 1, 63)
}

// period reads a duration that may be zero.
func (v *validator) period(f *field) Stated[time.Duration] {
	if f == nil {
		return Stated[time.Duration]{}
	}
	text, ok := v.durationText(f)
	if !ok {
		return Stated[time.Duration]{}
	}
	d, problem := anyDuration(text)
	if problem != "" {
		v.report.at(f.value.pos, fmt.Sprintf("%s %s", f.name(), problem))
	}
	return Stated[time.Duration]{Value: d, Pos: f.value.pos, OK: problem == ""}
}
