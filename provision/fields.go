package provision

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// Limits of texts, in bytes.
const (
	maxUser        = 256
	maxName        = 128
	maxOnce        = 128
	maxReason      = 256
	maxDescription = 1024
)

// attributes reads the fields of a token. In set, an empty text or "never"
// clears one.
func (v *validator) attributes(fs *fields, set bool) Attributes {
	a := Attributes{
		Description: v.label(fs.stated("description"), maxDescription),
		Expiry:      v.expiry(fs, set),
		NotBefore:   v.notBefore(fs.stated("not_before"), set),
		Active:      v.boolean(fs.stated("active")),
		Type:        v.tokenType(fs.stated("type")),
		Scopes:      v.scopes(fs.stated("scopes")),
		ScopeSets:   v.scopeSets(fs.stated("scope_sets")),
		AllowedIPs:  v.addresses(fs.stated("allowed_ips")),
		Audience:    v.audience(fs.stated("audience"), set),
		Labels:      v.labels(fs.stated("labels")),
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

func (v *validator) notBefore(f *field, set bool) (s Stated[time.Time]) {
	if f == nil {
		return s
	}
	text, ok := v.timeText(f)
	switch {
	case !ok:
		return s
	case set && cleared(text):
		s.OK = true
	default:
		s.Value, s.OK = v.timestamp(f, false)
	}
	s.Pos = f.value.pos
	return s
}

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
				x.Value.In, x.OK = v.lifetime(in, text)
			}
		}
	}
	return x
}

func (v *validator) lifetime(f *field, text string) (time.Duration, bool) {
	d, problem := duration(text)
	if problem != "" {
		v.report.at(f.value.pos, fmt.Sprintf(`%s %s; for no end write "unlimited"`, f.name(), problem))
	}
	return d, problem == ""
}

// types are the types of tokens, by their names.
var types = []string{store.FullAccess.String(), store.ReadOnly.String(), store.Custom.String()}

func (v *validator) tokenType(f *field) Stated[store.Type] {
	text, ok := v.choice(f, types)
	if !ok {
		return Stated[store.Type]{}
	}
	return Stated[store.Type]{Value: store.FullAccess + store.Type(slices.Index(types, text)), Pos: f.value.pos, OK: true}
}

// custom checks that scopes go with the type custom and it with scopes, as far
// as that is certain whatever the token is now.
func (v *validator) custom(fs *fields, a *Attributes, creates bool) {
	v.needCustom(fs, a, "scopes", a.Scopes, creates)
	v.needCustom(fs, a, "scope_sets", a.ScopeSets, creates)
	none := func(name string, list Stated[[]string]) bool {
		return creates && fs.missing(name) || list.OK && len(list.Value) == 0
	}
	if a.Type.Value == store.Custom && none("scopes", a.Scopes) && none("scope_sets", a.ScopeSets) {
		v.report.at(a.Type.Pos, `a custom token can do nothing without "scopes" or "scope_sets"; state what it may do`)
	}
}

func (v *validator) needCustom(fs *fields, a *Attributes, name string, list Stated[[]string], creates bool) {
	switch {
	case len(list.Value) == 0:
	case creates && fs.missing("type"):
		v.report.at(fs.stated(name).key.pos, fmt.Sprintf(`%q needs "type: custom" beside it; without a type the token would have full access`, name))
	case a.Type.OK && a.Type.Value != store.Custom:
		v.report.at(fs.stated(name).key.pos, fmt.Sprintf(`%q goes with "type: custom" only; state that type, or remove %q`, name, name))
	}
}

// set reads what an update changes: of several tokens anything but what each
// of them is called.
func (v *validator) set(f *field, several bool) Stated[Set] {
	if !v.typed(f, mapKind) {
		return Stated[Set]{}
	}
	n := f.value
	if len(n.fields) == 0 {
		v.report.at(n.pos, `"set" is empty; state the fields to change`)
		return Stated[Set]{}
	}
	fs := v.fields(n, setScope)
	for _, name := range []string{"user", "name"} {
		if f := fs.stated(name); f != nil && several {
			v.report.at(f.key.pos, fmt.Sprintf("%q can be changed for one token at a time; write an entry for each", name))
		}
	}
	set := Set{
		User:       v.identifier(fs.stated("user"), maxUser),
		Name:       v.identifier(fs.stated("name"), maxName),
		Attributes: v.attributes(fs, true),
	}
	v.custom(fs, &set.Attributes, false)
	return Stated[Set]{Value: set, Pos: n.pos, OK: true}
}

func (p Pos) before(o Pos) bool { return p.Line < o.Line || p.Line == o.Line && p.Col < o.Col }
