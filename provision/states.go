package provision

import (
	"slices"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// tokenSet is a set of tokens as entries name them.
type tokenSet struct {
	names map[store.Name]bool
	keys  map[token.Key]bool
	users map[string]bool // all that they have
}

func newTokenSet() *tokenSet {
	return &tokenSet{make(map[store.Name]bool), make(map[token.Key]bool), make(map[string]bool)}
}

// add adds what an entry selects.
func (s *tokenSet) add(e *Entry) {
	switch {
	case e.All.OK:
		s.users[e.User.Value] = true
	case e.Keys.OK:
		for _, key := range e.Keys.Value {
			s.keys[key] = true
		}
	default:
		if e.Named() {
			s.names[e.TokenName()] = true
		}
		if e.Key.OK {
			s.keys[e.Key.Value] = true
		}
	}
}

// states are the tokens that a manifest states, so that they are not pruned while
// it lies there: those that one of its entries makes or needs. That is every
// action but delete and revoke, and of a copy the token that it makes. A rename
// states the new name too.
func (m *Manifest) states() *tokenSet {
	s := newTokenSet()
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Action == Delete || e.Action == Revoke {
			continue
		}
		s.add(e)
		if set := &e.Set.Value; e.Action == Update && e.Named() && (set.User.OK || set.Name.OK) {
			name := e.TokenName()
			put(&name.User, set.User)
			put(&name.Name, set.Name)
			s.names[name] = true
		}
	}
	return s
}

// hold adds the names of the tokens of a drop directory that are stated.
func (s *tokenSet) hold(r store.Reader, dir string, held map[store.Name]bool) {
	look := func(rec store.Record, ok bool) {
		if ok && rec.Source.Dir == dir {
			held[rec.Name] = true
		}
	}
	for name := range s.names {
		look(r.ByName(name))
	}
	for key := range s.keys {
		look(r.ByKey(key))
	}
	if len(s.users) == 0 {
		return
	}
	for user, names := range r.NamesOf(s.users) {
		for _, name := range names {
			look(r.ByName(store.Name{User: user, Name: name}))
		}
	}
}

// standing is the manifest with nothing but what is made true again and again
// while its file stays: create, ensure and users. An entry is left out if a later
// one of another action is about the same token, since to evaluate the one
// without the other would undo that: a token would be there again that was
// deleted, or good again that was disabled. A later regenerate stands in the way
// of an entry that states a secret only.
func (m *Manifest) standing(r store.Reader) *Manifest {
	c := *m
	c.Entries = nil
	undone, replaced := newTokenSet(), newTokenSet()
	for i := len(m.Entries) - 1; i >= 0; i-- {
		e := &m.Entries[i]
		switch e.Action {
		case Create, Ensure:
			if !undone.meets(e, r) && (!replaced.meets(e, r) || !e.statesSecret()) {
				c.Entries = append(c.Entries, *e)
			}
		case Copy: // of a token that is there, it changes nothing
		case Regenerate:
			if e.Expiry.OK || e.IssuedAt.OK {
				undone.add(e)
			} else {
				replaced.add(e)
			}
		default:
			undone.add(e)
		}
	}
	slices.Reverse(c.Entries)
	return &c
}

// meets tells whether an entry about one token is about one of the set's, as far
// as that can be seen by what both state and by the token that is there.
func (s *tokenSet) meets(e *Entry, r store.Reader) bool {
	var keys []token.Key
	if e.Key.OK {
		keys = append(keys, e.Key.Value)
	}
	for i := range e.Sources {
		if e.Sources[i].HasKey {
			keys = append(keys, e.Sources[i].Key)
		}
	}
	var rec store.Record
	var there bool
	if name := e.TokenName(); e.Named() {
		if s.names[name] || s.users[name.User] {
			return true
		}
		rec, there = r.ByName(name)
	} else {
		rec, there = r.ByKey(e.Key.Value)
	}
	if there {
		keys = append(keys, rec.Keys()...)
	}
	return there && (s.names[rec.Name] || s.users[rec.User]) ||
		slices.ContainsFunc(keys, func(k token.Key) bool { return s.keys[k] })
}

func (e *Entry) statesSecret() bool {
	return slices.ContainsFunc(e.Sources, func(s Source) bool { return !s.Generate })
}

// withoutRegenerate is the manifest for a file whose content was applied already
// where another file of its directory lies, or lay: a renamed file is a new
// patch, and yet no reason to make new secrets.
func (m *Manifest) withoutRegenerate() *Manifest {
	c := *m
	c.Entries = slices.DeleteFunc(slices.Clone(m.Entries), func(e Entry) bool { return e.Action == Regenerate })
	return &c
}

// ofEntries are the problems with what the manifest's entries point to.
func (m *Manifest) ofEntries(unread []Problem) []Problem {
	places := make(map[Pos]bool)
	for i := range m.Entries {
		for _, s := range m.Entries[i].Sources {
			places[s.Pos] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(unread), func(p Problem) bool { return !places[p.Pos] })
}
