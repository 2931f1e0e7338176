package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// OrderDir stands for a drop directory in the ledger, and in the sources of
// tokens, where a manifest came over the admin socket. No drop directory is
// called so, and no policy is about it.
const OrderDir = "admin"

// Patch is a manifest on its way into the store.
type Patch struct {
	ID     store.PatchID
	Source store.Source
	Author string // the owner of the file; empty: nobody knows
	Data   []byte
	// Signature is the detached SSH signature over Data; nil if there is none.
	Signature []byte
	Refusal   string // why it fails whatever is in it; empty for most
	// Kept: its file stays where it is, and is handed in over and over, under an
	// ID of its own each time. What was done with it is marked in the store.
	Kept bool
	// Attended: somebody waits for the answer, and is handed the tokens that are
	// generated for no "write_to".
	Attended bool
	// Recovered: it may have its ledger entry from before a crash.
	Recovered bool
}

// Result is what became of a Patch.
type Result struct {
	// Outcome is zero if the store cannot be written to at the moment:
	// nothing was decided, and the patch is to be handed in again.
	Outcome store.Outcome
	// Undelivered: what the patch writes cannot come into its place at the moment,
	// whether it was decided on or not; it is to be handed in again, and what comes
	// after it need not wait.
	Undelivered bool
	// Another: the ledger has other bytes under this ID. Nothing was decided
	// on these; they have to come back under an ID of their own.
	Another bool
	// Again: a kept file is as it was decided on before, nothing has changed, and
	// the ledger has no entry of this.
	Again    bool
	Reasons  []string
	Problems []Problem      // what Reasons tell, if it was decided now
	Changes  []store.Change // of its tokens, if it was decided now
	// Made are the tokens that were generated now for whoever attends to it.
	Made      []token.Token
	OnSuccess Disposition
	Redacted  []byte // nil if the text holds no secret
	Warnings  []Problem
}

// Applier brings patches into a store. It is the only writer of its process.
type Applier struct {
	Store  store.Store
	Now    func() time.Time
	Random io.Reader
	// Groups lists the groups that a user of the system is a member of, for
	// policies on owners. Nil: nobody is in any.
	Groups func(user string) []string

	settings atomic.Pointer[Settings]
	mu       sync.Mutex

	keeper   keeper // of kept files; under mu
	withheld withheld

	// step stands for a crash, in tests: its error ends everything there.
	step func(name string) error
}

// Configure takes over settings, for what is applied from now on. Without it
// they are zero.
func (a *Applier) Configure(s Settings) { a.settings.Store(&s) }

// Settings are those that were taken over last.
func (a *Applier) Settings() Settings {
	if s := a.settings.Load(); s != nil {
		return *s
	}
	return Settings{}
}

// tooMuch is the problem of a manifest that no transaction can hold.
var tooMuch = Problem{Text: "the manifest changes more than one transaction of the store can hold; split it into several files"}

// conflictRetries bounds how often a plan is made again because another
// writer of the same store was faster.
const conflictRetries = 20

// Apply decides on patches in their order and makes the decisions durable
// before it returns. As many as fit share a transaction, each still all or
// nothing. An error means that it is not known what is stored: the process
// has to end, and the next one finds out (store.ErrUnknown), or that ctx ended
// before anything was written.
func (a *Applier) Apply(ctx context.Context, patches []Patch) ([]Result, error) {
	settings := a.Settings()
	texts := reader{settings: &settings, now: a.Now(), groups: remembered(a.Groups)}.readAll(patches) // side by side with what another directory applies
	results := make([]Result, 0, len(patches))
	for len(results) < len(patches) {
		some, err := a.applySome(ctx, &settings, texts[len(results):])
		if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
			deferred := make([]Result, len(patches)-len(results))
			deferred[0].Reasons = []string{err.Error()}
			return append(results, deferred...), nil
		}
		if err != nil {
			return results, fmt.Errorf("applying patches: %w", err)
		}
		results = append(results, some...)
	}
	return results, nil
}

// applySome applies as many of the patches as one transaction admits, at
// least one. Between two of them it is another directory's turn, if one waits
// (sync.Mutex lets nobody starve).
func (a *Applier) applySome(ctx context.Context, settings *Settings, patches []text) ([]Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keeper.load(a.Store)
	var err error
	var askLedger, tooLarge bool
	for range conflictRetries {
		t := transaction{applier: a, settings: settings, askLedger: askLedger, tooLarge: tooLarge}
		if err = t.plan(ctx, patches); err != nil {
			discard(t.staged)
			return nil, err
		}
		if len(t.entries) == 0 {
			a.keeper.learn(t.learned)
			return t.results, nil
		}
		switch err = t.commit(ctx); {
		case err == nil:
			a.keeper.learn(t.learned)
			return t.results, nil
		case errors.Is(err, store.ErrApplied):
			askLedger = true
		case errors.Is(err, store.ErrUnavailable) && len(t.results) > 1: // there may be room for less
			patches = patches[:(len(t.results)+1)/2]
		case errors.Is(err, store.ErrTooLarge):
			patches, tooLarge = patches[:(len(t.results)+1)/2], len(t.results) == 1
		case !errors.Is(err, store.ErrConflict):
			return t.results, err
		}
	}
	return nil, err
}
