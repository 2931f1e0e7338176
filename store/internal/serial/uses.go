package serial

import (
	"context"
	"fmt"

	"github.com/tokendrop/tokendrop/store"
)

// RecordUses implements store.Store.
func (c *Committer) RecordUses(ctx context.Context, used []store.Used) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return c.stopped
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("recording uses: %w", err)
	}
	uses, err := c.join(used)
	if err != nil {
		return fmt.Errorf("reading earlier uses: %w", err)
	}
	if len(uses) == 0 {
		return nil
	}
	return c.written(c.disk.WriteUses(uses))
}

// join adds uses to what is remembered of them, for tokens that are there.
func (c *Committer) join(used []store.Used) (map[store.TokenID]store.Uses, error) {
	joined := make(map[store.TokenID]store.Uses, len(used))
	for i := range used {
		u := &used[i]
		rec, ok := u.Find(c)
		if !ok {
			continue
		}
		uses, read := joined[rec.ID]
		if !read {
			var err error
			if uses, err = c.disk.ReadUses(rec.ID); err != nil {
				return nil, err
			}
		}
		joined[rec.ID] = uses.Add(u.CredentialUse).Retire(&rec)
	}
	return joined, nil
}
