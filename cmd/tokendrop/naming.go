package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store/token"
)

// entry is an entry of a manifest.
type entry map[string]any

func (e entry) hasAny(names ...string) bool {
	for _, name := range names {
		if e[name] != nil {
			return true
		}
	}
	return false
}

// called names the tokens that an entry is about, for people.
func (e entry) called() string {
	switch {
	case e["name"] != nil:
		return visible(fmt.Sprintf("%v/%v", e["user"], e["name"]))
	case e["user"] != nil:
		return visible(fmt.Sprintf("every token of %v", e["user"]))
	case e["key"] != nil:
		return visible(strings.Trim(fmt.Sprint(e["key"]), "[]"))
	}
	return "the token that was read"
}

// with adds what an argument states, which no flag may state too.
func (e entry) with(stated entry) (entry, error) {
	for name, value := range stated {
		if e[name] != nil {
			return nil, fmt.Errorf("%w: the argument and --%s both say which token", errMeant, flagName(name))
		}
		e[name] = value
	}
	return e, nil
}

// errMeant is wrong usage: it is not clear what is meant.
var errMeant = errors.New("wrong usage")

// namer finds out which token an argument means. The zero namer cannot, and takes
// any: the rest of the command line can be checked with it.
type namer struct {
	ctx     context.Context
	service admin.Service
}

// newName takes the name of a token that is to be created.
func (*namer) newName(flags entry, args []string) (entry, error) {
	if len(args) == 0 {
		return flags, nil
	}
	name, err := divide(args[0])
	if err != nil {
		return nil, err
	}
	return flags.with(name)
}

// named takes the name of a token, or what flags say instead.
func (n *namer) named(flags entry, args []string) (entry, error) {
	if len(args) == 0 {
		if !flags.hasAny("user", "name", "key", "token") {
			return nil, fmt.Errorf("%w: say which token, by its key or as USER/NAME, or with flags", errMeant)
		}
		return flags, nil
	}
	selector, err := n.find(args[0])
	if err != nil {
		return nil, err
	}
	return flags.with(selector)
}

// set takes all that flags state for what is to be changed.
func (n *namer) set(flags entry, args []string) (entry, error) {
	if len(flags) == 0 {
		return nil, fmt.Errorf("%w: nothing says what to change; state it with flags, as in --expires-in 90d", errMeant)
	}
	selector, err := n.find(args[0])
	if err != nil {
		return nil, err
	}
	return selector.with(entry{"set": flags})
}

// copied takes the names of what is copied, and of the copy.
func (n *namer) copied(flags entry, args []string) (entry, error) {
	from, err := n.find(args[0])
	if err != nil {
		return nil, err
	}
	name, err := divide(args[1])
	if err != nil {
		return nil, err
	}
	flags["from"] = from
	return flags.with(name)
}

// find tells how a manifest selects a token that is called by a key or as
// USER/NAME. One that is not there is left to the manifest.
func (n *namer) find(called string) (entry, error) {
	if _, err := token.ParseKey(called); err == nil {
		return entry{"key": called}, nil
	}
	if n.service == nil {
		if _, err := divide(called); err != nil {
			return nil, err
		}
		return entry{"user": "any", "name": "any"}, nil
	}
	t, err := n.service.Token(n.ctx, called)
	if errors.Is(err, admin.ErrNoToken) {
		return divide(called)
	}
	if err != nil {
		return nil, err
	}
	return entry{"user": t.User, "name": t.Name}, nil
}

// divide divides USER/NAME at the last slash.
func divide(called string) (entry, error) {
	i := strings.LastIndexByte(called, '/')
	if i < 0 {
		return nil, fmt.Errorf("%w: a token is called by its key, or as USER/NAME", errMeant)
	}
	return entry{"user": called[:i], "name": called[i+1:]}, nil
}
