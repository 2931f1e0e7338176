package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// Revealed is a token in full, as "token new" prints it.
type Revealed struct {
	Token string    `json:"token"`
	Key   token.Key `json:"key"`
}

// What cannot be revealed, and what to do instead.
const (
	adviceLost   = `; if nobody has the token any more, regenerate it`
	adviceNoKey  = `no token can be shown, because [tokens] has no encryption_key_files: name a key there, and tokens that are issued from then on are kept`
	adviceAbsent = `this token is not kept: it was stated by its digest, or issued before encryption_key_files had a key`
	adviceOther  = `: add its file to encryption_key_files again`
)

// ErrNoToken says that no token is called so.
var ErrNoToken = errors.New(`there is no such token; name it by its key or as USER/NAME, as "tokendrop list" shows them`)

// Token implements Service.
func (l *Local) Token(ctx context.Context, called string) (Token, error) {
	rec, _, err := l.find(called)
	if err != nil {
		return Token{}, err
	}
	uses, err := l.Uses.Uses(ctx)
	if err != nil {
		return Token{}, err
	}
	rule := l.ruleOf(&rec)
	t := newToken(&rec, rule, uses[rec.ID], l.Now())
	if rule.Blocked {
		t.BlockReason = rule.Reason
	}
	return t, nil
}

// Reveal implements Service.
func (l *Local) Reveal(ctx context.Context, called string) (Revealed, error) {
	_, c, err := l.find(called)
	if err != nil {
		return Revealed{}, err
	}
	if len(c.Sealed()) == 0 && !l.Seal.None() {
		return Revealed{}, errors.New(adviceAbsent + adviceLost)
	}
	text, err := l.Seal.Open(c.Key, c.Sealed())
	switch {
	case err == nil:
		if l.Told != nil {
			l.Told(l.author(ctx), c.Key)
		}
		return Revealed{text, c.Key}, nil
	case errors.Is(err, seal.ErrNoKey):
		return Revealed{}, errors.New(adviceNoKey + adviceLost)
	case errors.Is(err, seal.ErrOtherKey):
		return Revealed{}, fmt.Errorf("%w%s%s", err, adviceOther, adviceLost)
	}
	return Revealed{}, fmt.Errorf("%w%s", err, adviceLost)
}

// find finds the token that a key, or USER/NAME, means, and the credential of it
// that has the key, or the first one. Both user and name may hold slashes.
func (l *Local) find(called string) (store.Record, *store.Credential, error) {
	if key, err := token.ParseKey(called); err == nil {
		if rec, ok := l.Store.ByKey(key); ok {
			i := slices.IndexFunc(rec.Credentials, func(c store.Credential) bool { return c.Key == key || c.Former() == key })
			return rec, &rec.Credentials[i], nil
		}
	}
	var found []store.Record
	for i := range len(called) {
		if called[i] != '/' {
			continue
		}
		if rec, ok := l.Store.ByName(store.Name{User: called[:i], Name: called[i+1:]}); ok {
			found = append(found, rec)
		}
	}
	switch len(found) {
	case 1:
		return found[0], &found[0].Credentials[0], nil
	case 0:
		return store.Record{}, nil, ErrNoToken
	}
	return store.Record{}, nil, errors.New(`several tokens are called so; name one by its key, as "tokendrop list" shows it`)
}
