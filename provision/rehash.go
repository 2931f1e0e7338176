package provision

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// Rehashed is the action in the ledger of credentials that were brought into
// another form by being used.
const Rehashed = "rehash"

// Proof is what a token that was presented tells of itself: which credential it
// proved, and its digest.
type Proof struct {
	Credential token.Key
	Digest     token.Digest
}

// Rehash brings credentials that were proven into the form in which they would
// be kept today: under the first pepper, and those of other products as native
// ones. It is no change of a token: not even its times move. What has changed
// since it was proven, or cannot be kept otherwise, stays as it is. All of
// them share one transaction with one ledger entry; errors are those of
// store.Store, and nothing needs to be tried again but by the next use.
func (a *Applier) Rehash(ctx context.Context, proofs []Proof) error {
	settings := a.Settings()
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	for range conflictRetries {
		draft := store.NewDraft(a.Store)
		p := planner{draft: draft, tokens: draft, env: Env{Keys: settings.Keys}}
		for i := range proofs {
			p.rehash(&proofs[i])
		}
		if len(p.changes) == 0 {
			return nil
		}
		var entry store.Entry
		if entry, err = a.ownEntry(p.changes); err != nil {
			return err
		}
		if err = a.Store.Commit(ctx, draft.Batch([]store.Entry{entry})); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("keeping credentials in another form: %w", err)
	}
	return nil
}

// rehash changes the credential that a proof is for, if it is outdated.
func (p *planner) rehash(proof *Proof) {
	rec, ok := p.draft.ByKey(proof.Credential)
	if !ok {
		return
	}
	credentials := make([]store.Credential, len(rec.Credentials))
	changed := false
	for i, c := range rec.Credentials {
		if c.Key == proof.Credential {
			changed = p.renew(&rec, &c, proof.Digest) || changed
		}
		credentials[i] = c
	}
	if !changed {
		return
	}
	rec.Credentials = credentials
	p.draft.Put(rec)
	p.note(&Entry{Action: Rehashed}, &rec, store.Updated)
}

// renew keeps a credential in today's form. It returns false if it is in that
// form, or is not the one of the digest.
func (p *planner) renew(rec *store.Record, c *store.Credential, plain token.Digest) bool {
	if c.Imported() != nil {
		return p.makeNative(rec, c, plain)
	}
	if !p.env.Keys.Outdated(c.Pepper) || !p.env.Keys.Proves(c.Digest, c.Pepper, plain) {
		return false
	}
	c.Digest, c.Pepper = p.env.Keys.Keep(plain)
	return true
}

// makeNative makes an opaque token's credential of an imported one, whose key
// tells which digest the token had there. It stays imported where the new key
// is another token's, or was revoked.
func (p *planner) makeNative(rec *store.Record, c *store.Credential, plain token.Digest) bool {
	key := plain.OpaqueKey()
	if owner, taken := p.draft.ByKey(key); taken && owner.Name != rec.Name || p.revoked(key, rec.User) {
		return false
	}
	extra := *c.Extra
	extra.Former, extra.Imported = c.Key, token.ImportedDigest{}
	c.Key, c.Opaque, c.Extra = key, true, &extra
	c.Digest, c.Pepper = p.env.Keys.Keep(plain)
	return true
}

// now is the time as records have it.
func (a *Applier) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }

// ownEntry is the ledger entry of what no patch has asked for.
func (a *Applier) ownEntry(changes []store.Change) (store.Entry, error) {
	id, err := a.NewID()
	return store.Entry{Patch: id, Time: a.now(), Outcome: store.Installed, Changed: true, Changes: changes}, err
}

// NewID names what is in no file: its first bytes are the time, like those of a
// claim.
func (a *Applier) NewID() (id store.PatchID, err error) {
	binary.BigEndian.PutUint64(id[:], uint64(a.Now().UnixMilli())<<16)
	if _, err := io.ReadFull(a.Random, id[6:]); err != nil {
		return id, fmt.Errorf("naming a ledger entry: %w", err)
	}
	return id, nil
}
