package provision

import "github.com/tokendrop/tokendrop/store"

// Alone calls do while nothing is planned or applied, for a change of the store
// that is no patch. It is handed a ledger entry with an identifier and a time of
// its own. What was remembered of the store is read anew afterwards.
func (a *Applier) Alone(do func(own store.Entry) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	entry, err := a.ownEntry(nil)
	if err != nil {
		return err
	}
	a.keeper = keeper{}
	return do(entry)
}
