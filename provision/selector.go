package provision

import (
	"fmt"
	"slices"

	"github.com/tokendrop/tokendrop/store/token"
)

// selection reads which token an entry means, or which tokens. What key means
// where it is one key is left to source.
func (v *validator) selection(fs *fields, e *Entry) {
	e.User = v.identifier(fs.stated("user"), maxUser)
	e.Name = v.identifier(fs.stated("name"), maxName)
	e.All = v.onlyTrue(fs.stated("all"))
	v.expect(fs, e)
	key := fs.stated("key")
	switch {
	case fs.stated("all") != nil:
		v.allOf(fs, e)
	case key != nil && key.value.kind == listKind && !key.value.bad:
		v.listed(fs, e, key)
	default:
		v.oneToken(fs, e.Action)
	}
}

// oneToken checks that a mapping says which token it means.
func (v *validator) oneToken(fs *fields, action Action) {
	noUser, noName := fs.missing("user"), fs.missing("name")
	noKey := fs.missing("key")
	if action == Revoke {
		noKey = noKey && fs.missing(secretKeys...)
	}
	switch {
	case noUser && noName && (action == Create || action == Copy):
		v.report.also(fs.pos, fmt.Sprintf(`"user" and "name" are missing; %q needs both`, action))
	case noUser && noName && noKey && (action != "" || fs.scope == fromScope):
		v.report.also(fs.pos, `which token? state "key", or "user" and "name"`)
	case noUser && !noName:
		v.report.also(fs.pos, `"user" is missing; "name" means a token only together with it`)
	case noName && !noUser:
		v.report.also(fs.pos, `"name" is missing; "user" means a token only together with it`)
	}
}

// allOf checks the selector of all tokens of a user.
func (v *validator) allOf(fs *fields, e *Entry) {
	all := fs.stated("all")
	if fs.missing("user") {
		v.report.at(all.key.pos, `"all" means all tokens of a user; state "user" beside it`)
	}
	for _, name := range slices.Concat([]string{"name", "key"}, secretKeys) {
		if f := fs.stated(name); f != nil && e.All.OK {
			v.report.at(f.key.pos, fmt.Sprintf(`"all" means every token of the user; remove it, or %q`, name))
			fs.forget(name)
		}
	}
}

// listed reads a list of keys.
func (v *validator) listed(fs *fields, e *Entry, f *field) {
	fs.forget("key")
	if e.Action != "" && !slices.Contains(allowedKeys[e.Action], "all") {
		v.report.at(f.value.pos, fmt.Sprintf(`a list of keys goes with update, delete, revoke, enable and disable; %q is about one token`, e.Action))
		return
	}
	for _, name := range slices.Concat([]string{"user", "name"}, secretKeys) {
		if other := fs.stated(name); other != nil {
			v.report.at(other.key.pos, fmt.Sprintf(`a list of keys means its tokens without anything else; remove %q`, name))
			fs.forget(name)
		}
	}
	if len(f.value.items) == 0 {
		v.report.at(f.value.pos, `"key" is an empty list; state the keys of the tokens`)
		return
	}
	e.Keys = listOf(v, f, maxEntries, func(f *field) (token.Key, bool) {
		key := v.key(f)
		return key.Value, key.OK
	})
}

// expect reads how many tokens there have to be.
func (v *validator) expect(fs *fields, e *Entry) {
	f := fs.stated("expect")
	if f == nil {
		return
	}
	key := fs.stated("key")
	if fs.missing("all") && (key == nil || key.value.kind != listKind) {
		v.report.at(f.key.pos, `"expect" counts what a list of keys or "all" finds; remove it`)
		return
	}
	n := v.whole(f, 0, 31)
	e.Expect = Stated[int]{Value: int(n.Value), Pos: n.Pos, OK: n.OK}
}

// from reads which token is copied.
func (v *validator) from(fs *fields, e *Entry) {
	f := fs.stated("from")
	if f == nil {
		if e.Action == Copy && fs.missing("from") {
			v.report.also(fs.pos, `"copy" needs "from"; state "key", or "user" and "name", of the token to copy under it`)
		}
		return
	}
	if !v.typed(f, mapKind) {
		return
	}
	from := v.fields(f.value, fromScope)
	v.oneToken(from, "")
	e.From = Stated[Selector]{
		Value: Selector{
			Key:  v.key(from.stated("key")),
			User: v.identifier(from.stated("user"), maxUser),
			Name: v.identifier(from.stated("name"), maxName),
		},
		Pos: f.value.pos, OK: true,
	}
}
