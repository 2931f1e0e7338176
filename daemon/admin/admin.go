// Package admin answers the command line: what tokens there are, what became
// of patches, what a gate would say. The daemon serves it over a Unix socket
// that only its user, and perhaps one group, can open; without a daemon the
// command line asks the store itself through the same Service.
//
// The socket speaks HTTP. A list is answered line by line, everything else as one
// JSON text; examples/admin-socket has a page about it.
//
// Invariants:
//
//  1. No answer holds a secret or a digest: the types here have no field for
//     one. The exceptions are Reveal, which is asked for one token by name and
//     answers with its text where encryption keys are configured, and Apply of an
//     attended manifest, which answers once with what was generated for it. Nothing
//     but the socket's rights protects them.
//  2. What is asked about a token is not counted as its use.
//  3. An order is applied as a patch is, by the same Applier: one ledger entry in
//     the transaction of its changes, with the user at the other end of the
//     connection as its author, whatever the order says.
//  4. A list is whole, or its transfer is cut off. It takes memory for the
//     names in it and the uses of tokens, and not for the whole.
//  5. What one request has begun to change is finished, also when nobody waits for
//     the answer. Where it is not known what was stored, the process ends.
//  6. To reveal a token leaves a trace: Told is told before it is answered.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
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
	// Tokens yields the tokens that are meant, by user and name. One that is
	// changed meanwhile is as it is when its turn comes.
	Tokens(ctx context.Context, f TokenFilter) iter.Seq2[Token, error]
	// Token tells of one token. It is called by one of its keys, or USER/NAME.
	Token(ctx context.Context, called string) (Token, error)
	// Reveal decrypts the text of a token that is called so, or says why it
	// cannot.
	Reveal(ctx context.Context, called string) (Revealed, error)
	// History yields what is meant of the ledger, in the order of its numbers. It
	// is an error if it is that of a drop directory that neither is nor was.
	History(ctx context.Context, f EntryFilter) iter.Seq2[Entry, error]
	// Verify tells what a gate would say. It is an error if there is no such
	// gate.
	Verify(ctx context.Context, q Question) (Verdict, error)
	// Plan tells what applying manifests would do, each on top of those before
	// it. Nothing is changed.
	Plan(ctx context.Context, manifests []Manifest) ([]Plan, error)
	// Apply applies manifests that lie in no drop directory, one after the other,
	// as provision.OrderDir: their Dir is not looked at.
	Apply(ctx context.Context, manifests []Manifest) ([]Applied, error)
	// Look lets drop directories apply what lies in them now, and tells what
	// became of what is wanted.
	Look(ctx context.Context, w Wanted) (Looked, error)
	// Progress tells how far drop directories are with what they apply now.
	Progress(ctx context.Context) (Progress, error)
	// Prune takes the tokens of a drop directory that no patch in it states any
	// more, however many they are, and tells how many that were.
	Prune(ctx context.Context, dir string) (Pruned, error)
	// Backup writes all that the store holds at this moment, as package dump has
	// it. What fails later leaves a part, which is no backup.
	Backup(ctx context.Context, to io.Writer) error
	// Restore brings back what a backup holds, or only tells what that would do.
	Restore(ctx context.Context, from *os.File, order Restoring) (Restored, error)
	// Status says whether all is well.
	Status(ctx context.Context) (Status, error)
}

// Local answers from a store in this process.
type Local struct {
	Store   store.Store
	Formats token.Formats
	Keys    token.Keyring
	Seal    seal.Keys
	// Backend and Path say which store it is.
	Backend, Path string
	// Rules has the gates.
	Rules func() *verify.Rules
	Now   func() time.Time
	// Uses tells when tokens were used: the store does, or whoever counts uses
	// and stores them by and by.
	Uses Uses
	// Applier is asked for plans, and given orders.
	Applier *provision.Applier
	// Broken is told of an error after which this process has to end; nil: whoever
	// asks ends it.
	Broken func(error)
	// Told is told of each token that was revealed, and to whom; nil: nobody is.
	Told func(to string, key token.Key)
	// Author is who gives orders, where no connection tells.
	Author string
	// Ready tells whether the gates answer yet; nil where there are none.
	Ready func() bool
	// Daemon tells of the running daemon; nil where there is none.
	Daemon func() Daemon
	// Directories lists the drop directories, in the order of the configuration.
	Directories func() []Directory
	// Snapshot tells when the snapshot beside the store was made, the zero time if
	// there is none; nil: none is ever made.
	Snapshot func() time.Time
	Digests  Digests
	Vault    Vault
}

// Uses is who tells when tokens were used. store.Store is one.
type Uses interface {
	Uses(ctx context.Context) (map[store.TokenID]store.Uses, error)
}

// Tokens implements Service. It keeps the names of all tokens, and of each no
// more than that until its turn comes.
func (l *Local) Tokens(ctx context.Context, f TokenFilter) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		uses, err := l.Uses.Uses(ctx)
		if err != nil {
			yield(Token{}, err)
			return
		}
		var names []store.Name
		for rec := range l.Store.Tokens() {
			names = append(names, rec.Name)
		}
		slices.SortFunc(names, store.Name.Compare)
		now := l.Now()
		for _, name := range names {
			rec, ok := l.Store.ByName(name)
			if !ok {
				continue
			}
			if t := newToken(&rec, l.ruleOf(&rec), uses[rec.ID], now); f.Admits(&t, now) && !yield(t, nil) {
				return
			}
		}
	}
}

// ruleOf is what is said about the user of a token.
func (l *Local) ruleOf(rec *store.Record) store.Rule {
	var found store.Found
	l.Store.Lookup(rec.Key(), &found)
	return found.Rule
}

// History implements Service.
func (l *Local) History(ctx context.Context, f EntryFilter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f = f.resolve(l)
		known := f.Dir == "" || l.hasDirectory(f.Dir)
		for e, err := range l.Store.Ledger(ctx) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("reading the ledger: %w", err))
				return
			}
			known = known || e.Dir == f.Dir
			if entry := newEntry(&e); f.Admits(&entry) && !yield(entry, nil) {
				return
			}
		}
		if !known {
			yield(Entry{}, errNoDirectory)
		}
	}
}

// errNoDirectory says that a name means no drop directory, of now or before.
var errNoDirectory = errors.New("no drop directory has that name, and none that the ledger knows had; \"tokendrop status\" lists them")

func (l *Local) hasDirectory(name string) bool {
	return name == provision.OrderDir || slices.ContainsFunc(l.Directories(), func(d Directory) bool { return d.Name == name })
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
	return Verdict{Active: true, Key: &d.Credential.Key, User: d.Record.User, Name: d.Record.Name.Name}, nil
}
