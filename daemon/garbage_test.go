package daemon

import "testing"

func TestGCPercent(t *testing.T) {
	for used, want := range map[uint64]int{
		0: 100, 1: 100, 8 << 20: 100, 32 << 20: 100, 64 << 20: 50, 128 << 20: 25, 160 << 20: 20, 1 << 40: 20,
	} {
		if got := gcPercent(used); got != want {
			t.Errorf("%d bytes: %d, want %d", used, got, want)
		}
	}
}
