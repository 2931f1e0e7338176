package admin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// maxOrderPath bounds the path of an order, in bytes: Linux's PATH_MAX.
const maxOrderPath = 4096

// Applied is what became of a manifest that was applied from outside of any
// drop directory.
type Applied struct {
	// Outcome is that of a patch, or "deferred" where the store cannot be written
	// to at the moment: then nothing was decided.
	Outcome  string    `json:"outcome"`
	Problems []Problem `json:"problems"`
	Warnings []Problem `json:"warnings"`
	Entries  []Change  `json:"entries"`
	// Tokens are those that were generated for an attended Manifest. This is the
	// only time that they are told.
	Tokens []Revealed `json:"tokens,omitempty"`
}

// Deferred is the outcome of what could not be decided on.
const Deferred = "deferred"

// Apply implements Service. It finishes what it has begun, also when nobody
// waits for the answer any more.
func (l *Local) Apply(ctx context.Context, manifests []Manifest) ([]Applied, error) {
	author := l.author(ctx)
	applied := make([]Applied, len(manifests))
	var orders []provision.Patch
	var of []int
	for i, m := range manifests {
		if err := checkPath(m.Path); err != nil {
			applied[i] = Applied{Outcome: store.Failed.String(), Problems: []Problem{{Message: err.Error()}}, Warnings: []Problem{}, Entries: []Change{}}
			continue
		}
		id, err := l.Applier.NewID()
		if err != nil {
			return nil, err
		}
		of = append(of, i)
		orders = append(orders, provision.Patch{
			ID: id, Source: store.Source{Dir: provision.OrderDir, Path: m.Path}, Author: author, Data: m.Data, Refusal: refusal(&m), Attended: m.Attended,
		})
	}
	results, err := l.Applier.Apply(context.WithoutCancel(ctx), orders)
	if err != nil {
		if l.Broken != nil {
			l.Broken(err)
		}
		return nil, err
	}
	for i := range results {
		applied[of[i]] = newApplied(&results[i])
	}
	return applied, nil
}

// maxOrder is the largest manifest that is applied, in bytes: the default of
// max_size.
const maxOrder = 8 << 20

func refusal(m *Manifest) string {
	if len(m.Data) > maxOrder {
		return fmt.Sprintf("the file has %d bytes, which is more than the %d that are taken over the admin socket", len(m.Data), maxOrder)
	}
	return ""
}

// checkPath refuses what the ledger could not show, or no syntax belongs to.
// What is refused here is no patch, and has no entry.
func checkPath(path string) error {
	if len(path) > maxOrderPath || !utf8.ValidString(path) {
		return errors.New("its path cannot be kept: want at most 4096 bytes of UTF-8")
	}
	if why := notNamed(filepath.Base(path)); why != "" {
		return errors.New(why)
	}
	return nil
}

// notNamed is why a file of that name is no patch, "" where it can be one.
func notNamed(name string) string {
	ok, why := patches.Eligible(name)
	switch {
	case ok || why != "":
		return why
	case strings.HasPrefix(name, "."):
		return hiddenText
	}
	return "its name ends in none of .yaml, .yml, .toml and .json, which tell what it is written in"
}

const hiddenText = "its name begins with a dot"

func newApplied(r *provision.Result) Applied {
	a := Applied{Outcome: r.Outcome.String(), Problems: problems(r.Problems), Warnings: problems(r.Warnings), Entries: make([]Change, len(r.Changes))}
	if r.Outcome == 0 {
		a.Outcome = Deferred
		for _, reason := range r.Reasons {
			a.Problems = append(a.Problems, Problem{Message: reason})
		}
	}
	for i := range r.Changes {
		a.Entries[i] = newChange(&r.Changes[i])
	}
	for _, made := range r.Made {
		a.Tokens = append(a.Tokens, Revealed{made.Reveal(), made.Key})
	}
	return a
}

func problems(list []provision.Problem) []Problem {
	out := make([]Problem, len(list))
	for i, p := range list {
		out[i] = Problem{Line: p.Pos.Line, Column: p.Pos.Col, Message: p.Text}
	}
	return out
}
