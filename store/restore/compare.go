package restore

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// comparison is a Compare under way.
type comparison struct {
	*Sides

	now    time.Time
	diff   *Diff
	stay   []store.TokenID    // tokens of today that the backup has too
	absent map[token.Key]bool // first keys of tokens that are not there today; true: they were
}

// look compares one token of the backup with today's.
func (c *comparison) look(was *store.Record) {
	rec, ok := c.admit(*was)
	if len(rec.Credentials) < len(was.Credentials) {
		c.diff.Withheld.add(Item{was.Name, was.Key(), WhyRevoked})
	}
	if !ok {
		return
	}
	today, there := store.Record{}, false
	if c.Present != nil {
		today, there = c.Today.ByName(rec.Name)
	}
	if !there {
		c.absent[rec.Key()] = false
		c.diff.note(&rec, store.Created)
		return
	}
	c.stay = append(c.stay, today.ID)
	if c.another(&today, &rec) {
		c.diff.Drop.add(Item{today.Name, today.Key(), WhyName})
		c.diff.note(&today, store.Deleted)
		c.absent[rec.Key()] = false
		c.diff.note(&rec, store.Created)
		return
	}
	why := c.revives(&today, &rec)
	switch {
	case same(&today, &rec):
		c.diff.Same++
		return
	case why != "":
		c.diff.Revive.add(Item{rec.Name, rec.Key(), why})
	default:
		c.diff.Change.add(Item{rec.Name, rec.Key(), ""})
	}
	c.diff.note(&rec, store.Updated)
}

// another tells whether the token that has a name today is another one than that
// of the backup: it was deleted, and one made anew.
func (s *Sides) another(today, back *store.Record) bool {
	if s.continues {
		return today.ID != back.ID
	}
	return !today.CreatedAt.Equal(back.CreatedAt)
}

// usualRow is more than most records take in stored form.
const usualRow = 256

// same tells whether two records say the same.
func same(a, b *store.Record) bool {
	x, y := *a, *b
	x.Revision, x.ID, y.Revision, y.ID = 0, 0, 0, 0
	first := store.AppendRecord(make([]byte, 0, 2*usualRow), &x)
	both := store.AppendRecord(first, &y)
	return bytes.Equal(first, both[len(first):])
}

// revives tells why a token of today would be good again for somebody, empty if
// it would not.
func (c *comparison) revives(today, back *store.Record) string {
	switch {
	case !today.Active && back.Active:
		return WhyDisabled
	case c.expired(today) && !c.expired(back):
		return WhyExpired
	}
	for i := range back.Credentials {
		had := &back.Credentials[i]
		if c.over(had) {
			continue
		}
		now := slices.IndexFunc(today.Credentials, func(t store.Credential) bool { return c.alike(today, back, &t, had) })
		if now < 0 || c.over(&today.Credentials[now]) {
			return WhyReplaced
		}
	}
	return ""
}

// alike tells whether two credentials are the same one, in whichever form they
// are kept.
func (c *comparison) alike(today, back *store.Record, t, had *store.Credential) bool {
	return t.Alike(had) || c.continues && today.ID == back.ID && t.Number == had.Number
}

func (c *comparison) expired(r *store.Record) bool {
	return !r.ExpiresAt.IsZero() && !c.now.Before(r.ExpiresAt)
}

// over tells whether the grace of a credential has ended.
func (c *comparison) over(cred *store.Credential) bool {
	return !cred.GoodUntil.IsZero() && !c.now.Before(cred.GoodUntil)
}

// nameAbsent sorts out which tokens that are not there today were there once,
// which the ledger tells.
func (c *comparison) nameAbsent() error {
	if len(c.absent) == 0 {
		return nil
	}
	if c.Present != nil {
		if err := c.findAbsent(); err != nil {
			return err
		}
	}
	for rec, err := range c.records() {
		if err != nil {
			return err
		}
		known, absent := c.absent[rec.Key()]
		switch {
		case !absent:
		case known:
			c.diff.Revive.add(Item{rec.Name, rec.Key(), WhyGone})
		default:
			c.diff.Add.add(Item{rec.Name, rec.Key(), ""})
		}
	}
	return nil
}

func (c *comparison) findAbsent() error {
	for n, err := range c.Present.Entries() {
		if err != nil {
			return err
		}
		for i := range n.Changes {
			if _, asked := c.absent[n.Changes[i].Key]; asked {
				c.absent[n.Changes[i].Key] = true
			}
		}
	}
	return nil
}

// nameDropped finds tokens of today that the backup has not.
func (c *comparison) nameDropped() error {
	if c.Present == nil || c.Wanted != nil {
		return nil
	}
	slices.Sort(c.stay)
	for rec, err := range c.Present.Records() {
		if err != nil {
			return err
		}
		if _, stays := slices.BinarySearch(c.stay, rec.ID); !stays {
			c.diff.Drop.add(Item{rec.Name, rec.Key(), ""})
			c.diff.note(&rec, store.Deleted)
		}
	}
	return nil
}

// nameLifted finds what is revoked or blocked today and would not be.
func (c *comparison) nameLifted() error {
	if c.Present == nil || c.Wanted != nil {
		return nil
	}
	for m, err := range c.Present.Marks() {
		if err != nil {
			return err
		}
		after, stays := c.marks[m.MarkID]
		switch m.Kind {
		case store.Revoked:
			if key, user, ok := store.RevokedKey(m.MarkID); ok && !stays {
				c.diff.Lift.add(Item{store.Name{User: user}, key, WhyRevoked})
			}
		case store.UserRule:
			if store.RuleOf(m.Value).Blocked && (!stays || !store.RuleOf(after).Blocked) {
				c.diff.Lift.add(Item{Name: store.Name{User: m.Key}, Why: WhyUser})
			}
		}
	}
	slices.SortFunc(c.diff.Lift.First, func(a, b Item) int { return strings.Compare(a.User, b.User) })
	return nil
}
