package config

import (
	"fmt"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/token"
)

// stateDir is the packaged service's StateDirectory.
const stateDir = "/var/lib/tokendrop"

// check judges values together. What a field has refused by itself is not
// there to be judged: its default is, or nothing.
func (r *reading) check() {
	for i := range r.config.Drops {
		r.checkDrop(i)
		r.checkTwins(i)
		r.checkPrune(i)
	}
	r.checkListeners()
	r.checkPrefixes()
	r.checkReach()
}

// checkDrop keeps the daemon's own files and what is dropped apart.
func (r *reading) checkDrop(i int) {
	if r.config.Drops[i].Name == provision.OrderDir {
		r.problem(dropKey(i)+".name", "this is what history calls the orders that are given over the admin socket: use another name")
	}
	path, at := r.config.Drops[i].Path, dropKey(i)+".path"
	if path == "" {
		return // a problem already
	}
	if overlap(path, stateDir) {
		r.problem(at, fmt.Sprintf("a drop directory cannot be in %s or around it, where systemd changes owners: use one like /var/spool/tokendrop", stateDir))
		return
	}
	r.checkOwn(i)
	if store := r.config.Store; store.Backend == Badger && overlap(path, store.Path) {
		r.problem(at, "a drop directory cannot be in the store's path or around it"+seeAlso(r.stated["store.path"]))
	}
}

func overlap(a, b string) bool { return within(a, b) || within(b, a) }

// checkTwins finds the first drop directory before the i-th that has its name
// or path.
func (r *reading) checkTwins(i int) {
	d := r.config.Drops[i]
	for j, other := range r.config.Drops[:i] {
		if d.Path != "" && d.Path == other.Path {
			r.problem(dropKey(i)+".path", "two drop directories have this path: leave one out"+seeAlso(r.place(dropKey(j)+".path")))
			return
		}
	}
	for j, other := range r.config.Drops[:i] {
		if d.Name != "" && d.Name == other.Name {
			r.problem(dropKey(i)+".name", "two drop directories have this name: give one another"+seeAlso(r.place(dropKey(j)+".name")))
			return
		}
	}
}

// checkPrefixes makes of the prefixes what they mean. Each has been checked by
// itself, and none is wrong beside another.
func (r *reading) checkPrefixes() {
	t := &r.config.Tokens
	formats, err := token.NewFormats(t.Prefix, t.FormerPrefixes...)
	if err != nil {
		r.problem("tokens", err.Error())
		return
	}
	t.Formats = formats
}

// seeAlso points at the other half of a contradiction.
func seeAlso(at Place) string {
	switch {
	case at.Source == "":
		return " (the other is the default)"
	case at.Line == 0:
		return fmt.Sprintf(" (the other is %s)", at.Source)
	}
	return fmt.Sprintf(" (the other is in line %d)", at.Line)
}
