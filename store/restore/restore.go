// Package restore brings back what a store held at another time: it tells what
// that would do to the store of today, and makes a new store of both.
//
// What is brought back are tokens. What is known since stays, unless it is asked
// for the old state exactly:
//
//	revocations     all of both; a credential whose key is revoked stays away
//	rules for users today's; one of the backup where today has none for the same
//	                users, unless it would let in somebody who is blocked today
//	serial numbers  the higher one
//	first issues    the earlier one
//	once, others    today's; the backup's where today has none
//
// What is said of files that lie somewhere else today, those that were written
// for tokens and those that stay in drop directories, is today's in any case.
//
// Invariants:
//
//  1. Nothing is changed: what is made is made in another, empty store, by
//     ordinary commits, or is one ordinary commit.
//  2. No entry of the ledger is lost, and none comes twice. Where one ledger
//     goes on where the other one ends the result is the longer one, number by
//     number; the restore itself is its next entry.
//  3. Without Exactly nobody who is blocked today is let in, and no key that is
//     revoked today, or was in the backup, selects a token.
//  4. Every token and mark has a revision of its own, so that a plan from before
//     meets store.ErrConflict, or was made for the same state. (Whoever plans has
//     to wait all the same: a number may come again.)
package restore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Sides are what is restored and what there is.
type Sides struct {
	Backup store.View
	// Present is what the store holds; nil where there is none that can be read.
	Present store.View
	// Today answers from the same store.
	Today store.Reader
	// Exactly: what is known since goes.
	Exactly bool
	// Wanted tells which tokens are to come back; nil for all. If it is set, no
	// others go, and no mark changes.
	Wanted func(*store.Record) bool

	marks     map[store.MarkID]string // that the new store gets
	continues bool                    // one ledger goes on where the other one ends
	longer    store.View              // of the two, if continues
}

// prepare looks at both ledgers and all marks.
func (s *Sides) prepare() error {
	if s.marks != nil {
		return nil
	}
	if err := s.compareLedgers(); err != nil {
		return err
	}
	marks := make(map[store.MarkID]string)
	for m, err := range s.Backup.Marks() {
		if err != nil {
			return err
		}
		marks[m.MarkID] = m.Value
	}
	if s.Present == nil {
		s.marks = marks
		return nil
	}
	present := make(map[store.MarkID]string)
	for m, err := range s.Present.Marks() {
		if err != nil {
			return err
		}
		present[m.MarkID] = m.Value
	}
	s.marks = join(marks, present, s.Exactly)
	return nil
}

// join makes today's marks, and those of a backup, those of the new store.
func join(backup, present map[store.MarkID]string, exactly bool) map[store.MarkID]string {
	joined := make(map[store.MarkID]string, len(present))
	for id, value := range present {
		if !exactly || ofFiles(id.Kind) {
			joined[id] = value
		}
	}
	blocked := blocking(present)
	for id, value := range backup {
		today, known := present[id]
		switch {
		case ofFiles(id.Kind):
			if !known && !exactly {
				joined[id] = value
			}
		case exactly:
			joined[id] = value
		case id.Kind == store.UserRule && !known && !store.RuleOf(value).Blocked && lets(id.Key, blocked):
		case known:
			joined[id] = newer(id.Kind, value, today)
		default:
			joined[id] = value
		}
	}
	return joined
}

// ofFiles tells whether marks of a kind say something of files of today.
func ofFiles(k store.MarkKind) bool { return k == store.Written || k == store.Kept }

// newer is which of two values of a mark is known later.
func newer(kind store.MarkKind, backup, today string) string {
	switch kind {
	case store.Serial:
		b, err := strconv.ParseUint(backup, 10, 64)
		t, errToday := strconv.ParseUint(today, 10, 64)
		if err == nil && errToday == nil && b > t {
			return backup
		}
	case store.FirstIssue:
		if store.TimeOf(backup).Before(store.TimeOf(today)) {
			return backup
		}
	}
	return today
}

// blocking lists the users, and the patterns, that are blocked.
func blocking(marks map[store.MarkID]string) []string {
	var blocked []string
	for id, value := range marks {
		if id.Kind == store.UserRule && store.RuleOf(value).Blocked {
			blocked = append(blocked, id.Key)
		}
	}
	return blocked
}

// lets tells whether a rule that lets users in could let in one who is blocked
// by others. Where both are patterns it could.
func lets(in string, blocked []string) bool {
	return slices.ContainsFunc(blocked, func(b string) bool {
		return store.IsPattern(in) || store.Match(b, in) || b == in
	})
}

// revoked tells whether a key is, for everybody or for that user.
func (s *Sides) revoked(key token.Key, user string) bool {
	_, forAll := s.marks[store.RevokedID(key, "")]
	_, forUser := s.marks[store.RevokedID(key, user)]
	return forAll || forUser
}

// admit is what comes back of a token; false if nothing does.
func (s *Sides) admit(rec store.Record) (store.Record, bool) {
	if s.Wanted != nil && !s.Wanted(&rec) {
		return rec, false
	}
	good := make([]store.Credential, 0, len(rec.Credentials))
	for _, c := range rec.Credentials {
		if !s.revoked(c.Key, rec.User) && (c.Former().IsZero() || !s.revoked(c.Former(), rec.User)) {
			good = append(good, c)
		}
	}
	rec.Credentials = good
	return rec, len(good) > 0
}

// records yields the tokens that come back.
func (s *Sides) records() iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for rec, err := range s.Backup.Records() {
			if err != nil {
				yield(rec, err)
				return
			}
			if rec, ok := s.admit(rec); ok && !yield(rec, nil) {
				return
			}
		}
	}
}

// Make fills an empty store, and returns what that does to today's. The entry
// records it: its patch, time, place and author are the caller's.
func (s *Sides) Make(ctx context.Context, to store.Store, entry store.Entry) (*Diff, error) {
	diff, err := s.Compare(entry.Time)
	if err != nil {
		return nil, err
	}
	diff.complete(&entry)
	if err := s.build(ctx, to, entry); err != nil {
		return nil, fmt.Errorf("making a store of the backup: %w", err)
	}
	return diff, nil
}
