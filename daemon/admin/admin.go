// Package admin answers the command line: what tokens there are, what became
// of patches, what a gate would say. The daemon serves it over a Unix socket
// that only its user, and perhaps one group, can open; without a daemon the
// command line asks the store itself through the same Service.
//
// Invariants:
//
//  1. No answer holds a secret or a digest: the types here have no field for
//     one. The exception is Reveal, which is asked for one token by name and
//     answers with its text where encryption keys are configured. Nothing but the
//     socket's rights protects it.
//  2. What is asked about a token is not counted as its use.
package admin

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// Service is what the command line can ask. Both a Client and a Local are one.
type Service interface {
	// Tokens lists all tokens by user and name.
	Tokens(ctx context.Context) ([]Token, error)
	// Token tells of one token. It is called by one of its keys, or USER/NAME.
	Token(ctx context.Context, called string) (Token, error)
	// Reveal decrypts the text of a token that is called so, or says why it
	// cannot.
	Reveal(ctx context.Context, called string) (Revealed, error)
	// History lists the ledger in the order of its numbers.
	History(ctx context.Context) ([]Entry, error)
	// Verify tells what a gate would say. It is an error if there is no such
	// gate.
	Verify(ctx context.Context, q Question) (Verdict, error)
	// Plan tells what applying manifests would do, each on top of those before
	// it. Nothing is changed.
	Plan(ctx context.Context, manifests []Manifest) ([]Plan, error)
}

// Local answers from a store in this process.
type Local struct {
	Store   store.Store
	Formats token.Formats
	Keys    token.Keyring
	Seal    seal.Keys
	// Rules has the gates.
	Rules func() *verify.Rules
	Now   func() time.Time
	// Uses tells when tokens were used: the store does, or whoever counts uses
	// and stores them by and by.
	Uses Uses
	// Applier is asked for plans, and applies nothing.
	Applier *provision.Applier
	// Ready tells whether the gates answer yet; nil where there are none.
	Ready func() bool
}

// Uses is who tells when tokens were used. store.Store is one.
type Uses interface {
	Uses(ctx context.Context) (map[store.TokenID]store.Uses, error)
}

// Tokens implements Service.
func (l *Local) Tokens(ctx context.Context) ([]Token, error) {
	uses, err := l.Uses.Uses(ctx)
	if err != nil {
		return nil, err
	}
	now := l.Now()
	tokens := []Token{}
	for rec := range l.Store.Tokens() {
		_, rule, _ := l.Store.Lookup(rec.Key(), nil)
		tokens = append(tokens, newToken(&rec, rule, uses[rec.ID], now))
	}
	slices.SortFunc(tokens, func(a, b Token) int { return a.name().Compare(b.name()) })
	return tokens, nil
}

// Count counts the tokens by their states, and lets others work meanwhile.
func (l *Local) Count() map[State]int {
	counts, now, visited := map[State]int{}, l.Now(), 0
	for _, state := range States {
		counts[state] = 0
	}
	l.Store.Walk(func(rec *store.Record, rule store.Rule) {
		counts[stateOf(rec, rule, now)]++
		if visited++; visited%countTurn == 0 {
			runtime.Gosched()
		}
	})
	return counts
}

// countTurn is how many tokens are counted before it is others' turn, which is
// well under a millisecond.
const countTurn = 512

// History implements Service.
func (l *Local) History(ctx context.Context) ([]Entry, error) {
	entries := []Entry{}
	for e, err := range l.Store.Ledger(ctx) {
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		entries = append(entries, newEntry(&e))
	}
	return entries, nil
}

// Verify implements Service.
func (l *Local) Verify(_ context.Context, q Question) (Verdict, error) {
	gates := l.Rules().Gates
	gate := gates[q.Gate]
	if gate == nil {
		return Verdict{}, fmt.Errorf("there is no such gate; the configuration has %s", strings.Join(slices.Sorted(maps.Keys(gates)), ", "))
	}
	if l.Ready != nil && !l.Ready() {
		return Verdict{Reason: verify.NotReady.String(), Message: verify.NotReady.Message()}, nil
	}
	register := verify.Register{Tokens: l.Store, Formats: l.Formats, Keys: l.Keys}
	d := register.Ask(&verify.Question{
		Text: q.Token, Gate: gate, Request: verify.Request{Method: q.Method, URI: q.URI, Client: q.IP.Unmap()},
	}, l.Now())
	if d.Reason != verify.Yes {
		return Verdict{Reason: d.Reason.String(), Message: d.Reason.Message()}, nil
	}
	return Verdict{Active: true, Key: &d.Presented, User: d.Record.User, Name: d.Record.Name.Name}, nil
}
