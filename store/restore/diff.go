package restore

import (
	"errors"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

const (
	// Named is how many of a group are named.
	Named = 20
	// maxChanges is how many changes the ledger entry of a restore lists, which is
	// as many as a manifest can have entries.
	maxChanges = 10_000
	// Action is that of a restore in the ledger.
	Action = "restore"
)

// Why something is in a Diff.
const (
	WhyGone     = "is gone"
	WhyDisabled = "is disabled"
	WhyExpired  = "has expired"
	WhyReplaced = "a secret of it was replaced"
	WhyRevoked  = "its key is revoked"
	WhyUser     = "is blocked"
	WhyName     = "another token had its name"
)

// Diff is what a restore does to today's store.
type Diff struct {
	// Revive are tokens that would be good again, or of which a replaced secret
	// would; Add those that the store never had.
	Revive, Add Group
	// Change are other tokens that would be different.
	Change Group
	// Drop are tokens of today that the backup has not, also those in whose names
	// it has others.
	Drop Group
	// Withheld are tokens of the backup that stay away, or lose a credential.
	Withheld Group
	// Lift are revoked keys and blocked users that would be free again. Only an
	// exact restore has any.
	Lift Group
	// Same counts tokens that stay what they are.
	Same uint64

	changes []store.Change
}

// Group is some tokens, the first of them by name.
type Group struct {
	Count uint64
	First []Item
}

// Item is a token or, where only one of both is set, a key or a user.
type Item struct {
	store.Name

	Key token.Key
	Why string // empty where there is nothing to say
}

func (g *Group) add(i Item) {
	g.Count++
	if len(g.First) < Named {
		g.First = append(g.First, i)
	}
}

// Changes tells whether anything would be different.
func (d *Diff) Changes() bool {
	return d.Revive.Count+d.Add.Count+d.Change.Count+d.Drop.Count+d.Lift.Count > 0
}

// complete has the ledger entry of the restore say what it has done.
func (d *Diff) complete(n *store.Entry) {
	n.Outcome, n.Changed, n.Changes = store.Installed, d.Changes(), d.changes
}

func (d *Diff) note(rec *store.Record, result store.Result) {
	if len(d.changes) < maxChanges {
		d.changes = append(d.changes, store.Change{Action: Action, Key: rec.Key(), Name: rec.Name, Result: result})
	}
}

// Compare tells what a restore would do.
func (s *Sides) Compare(now time.Time) (*Diff, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	c := comparison{Sides: s, now: now, diff: new(Diff), absent: make(map[token.Key]bool)}
	for rec, err := range s.Backup.Records() {
		if err != nil {
			return nil, err
		}
		c.look(&rec)
	}
	return c.diff, errors.Join(c.nameAbsent(), c.nameDropped(), c.nameLifted())
}
