//go:build race

package verify

// spared is how many allocations are not counted: with the race detector on,
// sync.Pool throws some of what it is given away.
const spared = 2
