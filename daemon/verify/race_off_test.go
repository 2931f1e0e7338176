//go:build !race

package verify

// spared is how many allocations are not counted.
const spared = 0
