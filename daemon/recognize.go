package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/store"
)

// recognizes fails if credentials are stored in a form that the keys do not know:
// nobody could use them, and nobody would know why. Its error is a
// *config.Error, because it is the configuration that lacks a file.
func (k keys) recognizes(st store.Store, cfg *config.Config) error {
	imports, forms := k.ring.Imports(), st.Forms()
	r := keyReader{source: cfg.File}
	for _, f := range slices.SortedFunc(maps.Keys(forms), compareForms) {
		if !k.ring.HasPepper(f.Pepper) {
			r.problem(pepperKey, fmt.Sprintf("%s stored under the pepper %s, which none of the files holds: add its file again, after the one that new tokens are to have", credentials(forms[f]), f.Pepper))
		}
		if f.Import != "" && !slices.Contains(imports, f.Import) {
			r.problem(importKey+"."+f.Import, fmt.Sprintf("%s stored as another product kept them, and not used since: state its salt_file again until they are", credentials(forms[f])))
		}
	}
	return r.failed()
}

func compareForms(a, b store.Form) int {
	return cmp.Or(cmp.Compare(a.Import, b.Import), cmp.Compare(a.Pepper.String(), b.Pepper.String()))
}

// credentials writes how many there are.
func credentials(n int) string {
	if n == 1 {
		return "1 credential is"
	}
	return fmt.Sprintf("%d credentials are", n)
}
