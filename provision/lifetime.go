package provision

import (
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// livesWithin tells whether a token expires as the policy demands: counted from
// the first issue under its user and name, and under those that it had, or with
// "renew" from its present issue, but never from a time to come. That issue is
// what the record says of it, so no entry may state one that is later than it was.
func (p *planner) livesWithin(before, after *store.Record) bool {
	if p.judge.Policy == nil || p.judge.MaxLifetime == 0 {
		return true
	}
	latest := p.env.Now
	if before != nil && before.Generation == after.Generation {
		latest = before.IssuedAt
	}
	if p.judge.Renew && after.IssuedAt.After(latest) {
		return false
	}
	from := earlier(p.env.Now, p.issued(after))
	if before != nil && (!p.judge.Renew || before.Generation == after.Generation) {
		from = earlier(from, p.issued(before))
	}
	return !after.ExpiresAt.IsZero() && !after.ExpiresAt.After(from.Add(p.judge.MaxLifetime))
}

// issued is the issue of a token from which its lifetime counts.
func (p *planner) issued(rec *store.Record) time.Time {
	if p.judge.Renew {
		return rec.IssuedAt
	}
	return p.firstIssue(rec)
}

// firstIssue is the first one that is known under the name of a token.
func (p *planner) firstIssue(rec *store.Record) time.Time {
	first := told(rec)
	if m, ok := p.draft.Mark(store.FirstIssueID(rec.Name)); ok {
		first = earlier(first, store.TimeOf(m.Value))
	}
	return first
}

// told is the first issue that the token itself tells of.
func told(rec *store.Record) time.Time { return earlier(rec.CreatedAt, rec.IssuedAt) }

// keepFirstIssue remembers the first issue of a token that is about to become
// another, or, where after is nil, to go: what it no longer tells under its
// name, and what it does not tell under its new one.
func (p *planner) keepFirstIssue(before, after *store.Record) {
	if len(p.env.FirstIssues) == 0 {
		return
	}
	first := p.firstIssue(before)
	if after == nil || after.Name != before.Name || told(after).After(first) {
		p.remember(before.Name, first)
	}
	if after != nil && after.Name != before.Name && told(after).After(first) {
		p.remember(after.Name, first)
	}
}

func (p *planner) remember(name store.Name, first time.Time) {
	if !slices.ContainsFunc(p.env.FirstIssues, func(pattern string) bool { return store.Match(pattern, name.User) }) {
		return
	}
	id := store.FirstIssueID(name)
	if m, ok := p.draft.Mark(id); !ok || first.Before(store.TimeOf(m.Value)) {
		p.draft.SetMark(id, store.TimeValue(first))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
