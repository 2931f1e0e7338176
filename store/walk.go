package store

// Walk implements Store. One table after the other is looked at, so that nobody
// waits long for it.
func (x *Index) Walk(visit func(*Record, Rule)) {
	var room Room
	var rec Record
	var found []judged
	for i := range 1 << tableBits {
		found = x.judged(i, found[:0])
		for _, f := range found {
			var ok bool
			if rec, ok = f.record(&room); ok {
				visit(&rec, f.rule)
			}
		}
	}
}

// judged is a row with what is said about its user.
type judged struct {
	row

	rule Rule
}

// judged appends the rows that a table has the names of.
func (x *Index) judged(i int, to []judged) []judged {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if i >= len(x.byName.tables) {
		return to
	}
	for at := range x.byName.tables[i].all {
		found := x.rows.at(at)
		to = append(to, judged{found, x.rules.of(found.User)})
	}
	return to
}
