package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// unrecognized counts the tokens that a keyring lacks something for.
type unrecognized struct {
	peppers map[token.PepperID]int
	imports map[string]int // by their IDs
}

// recognizes fails if tokens are stored in a form that the keys do not know:
// nobody could use them, and nobody would know why. Its error is a
// *config.Error, because it is the configuration that lacks a file.
func (k keys) recognizes(st store.Store, cfg *config.Config) error {
	u := unrecognized{make(map[token.PepperID]int), make(map[string]int)}
	imports := k.ring.Imports()
	for rec := range st.Tokens() {
		for i := range rec.Credentials {
			c := &rec.Credentials[i]
			if kept := c.Imported(); kept != nil && !slices.Contains(imports, kept.ID) {
				u.imports[kept.ID]++
			}
			if !k.ring.HasPepper(c.Pepper) {
				u.peppers[c.Pepper]++
			}
		}
	}
	r := keyReader{source: cfg.File}
	for _, id := range slices.SortedFunc(maps.Keys(u.peppers), func(a, b token.PepperID) int { return cmp.Compare(a.String(), b.String()) }) {
		r.problem(pepperKey, fmt.Sprintf("%s stored under the pepper %s, which none of the files holds: add its file again, after the one that new tokens are to have", tokens(u.peppers[id]), id))
	}
	for _, id := range slices.Sorted(maps.Keys(u.imports)) {
		r.problem(importKey+"."+id, fmt.Sprintf("%s imported by %s, and not used since: state its salt_file again until they are", tokens(u.imports[id]), id))
	}
	return r.failed()
}

// tokens writes how many there are.
func tokens(n int) string {
	if n == 1 {
		return "1 token is"
	}
	return fmt.Sprintf("%d tokens are", n)
}
