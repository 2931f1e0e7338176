package memstore

import (
	"context"

	"github.com/tokendrop/tokendrop/store"
)

// ReadUses implements serial.Disk.
func (h *handle) ReadUses(id store.TokenID) (store.Uses, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	return store.DecodeUses(h.disk.uses[id])
}

// WriteUses implements serial.Disk.
func (h *handle) WriteUses(uses map[store.TokenID]store.Uses) error {
	if h.faults.Uses != nil {
		if err := h.faults.Uses(); err != nil {
			return err
		}
	}
	d := h.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owner != h {
		return errTaken
	}
	if d.uses == nil {
		d.uses = make(map[store.TokenID][]byte)
	}
	for id, u := range uses {
		d.uses[id] = store.AppendUses(nil, &u)
	}
	return nil
}

// Uses implements store.Store.
func (s *Store) Uses(ctx context.Context) (map[store.TokenID]store.Uses, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := make(map[store.TokenID]store.Uses)
	err := s.Settled(func() error {
		d := s.handle.disk
		d.mu.Lock()
		defer d.mu.Unlock()
		for id, row := range d.uses {
			u, err := store.DecodeUses(row)
			if err != nil {
				return err
			}
			all[id] = u
		}
		return nil
	})
	return all, err
}
