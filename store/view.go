package store

import "iter"

// View is what a store held at one moment, for whoever reads all of it. It is
// good until the function returns that it was handed to.
type View interface {
	// Totals counts what there is, in no time.
	Totals() Totals
	// Entries yields the ledger in ascending order of its numbers.
	Entries() iter.Seq2[Entry, error]
	// Records yields every token, in no particular order.
	Records() iter.Seq2[Record, error]
	// Marks yields every mark, in no particular order.
	Marks() iter.Seq2[Mark, error]
	// Uses yields what is remembered of the uses of every token that was used.
	Uses() iter.Seq2[TokenUses, error]
}

// Totals is how much of each a store holds.
type Totals struct {
	Head    // of the ledger, whose number is how many entries there are
	Records uint64
	Marks   uint64
}

// TokenUses is what is remembered of the uses of one token.
type TokenUses struct {
	ID TokenID
	Uses
}
