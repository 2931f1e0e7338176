package patches

import (
	"testing"
	"time"
)

func TestSettling(t *testing.T) {
	const quietFor = 2 * time.Second
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	young := info{ino: 1, size: 5, mtime: start, ctime: start}
	longer := info{ino: 1, size: 6, mtime: start, ctime: start}
	touched := info{ino: 1, size: 5, mtime: start.Add(1), ctime: start}
	replaced := info{ino: 2, size: 5, mtime: start, ctime: start}
	chmodded := info{ino: 1, size: 5, mtime: start, ctime: start.Add(1)}
	empty := info{ino: 1, mtime: start, ctime: start}
	old := info{ino: 1, size: 5, mtime: start.Add(-oldAge - 1), ctime: start.Add(-oldAge - 1)}
	copied := info{ino: 1, size: 5, mtime: start.Add(-time.Hour), ctime: start}

	type look struct {
		at     time.Duration
		info   info
		access access
		want   decision
	}
	wait := func(why Reason, until time.Duration) decision { return decision{why: why, until: start.Add(until)} }
	ready := decision{ready: true}
	for name, tt := range map[string]struct {
		atStart bool
		looks   []look
	}{
		"a lease is enough": {false, []look{{0, young, quiet, ready}}},
		"a writer, soon and then less often": {false, []look{
			{0, young, writing, wait(BeingWritten, lookMin)},
			{lookMin, young, writing, wait(BeingWritten, 2*lookMin)},
			{64 * time.Millisecond, young, writing, wait(BeingWritten, 128*time.Millisecond)},
			{time.Hour, young, writing, wait(BeingWritten, time.Hour+lookMax)},
			{2 * time.Hour, young, quiet, ready},
		}},
		"a writer that has just written is looked at soon": {false, []look{
			{0, young, writing, wait(BeingWritten, lookMin)},
			{20 * time.Millisecond, longer, writing, wait(BeingWritten, 20*time.Millisecond+lookMin)},
		}},
		"unchanged long enough": {false, []look{
			{0, young, unleased, wait(Settling, quietFor)},
			{quietFor - 1, young, unleased, wait(Settling, quietFor)},
			{quietFor, young, unleased, ready},
		}},
		"a longer file begins anew": {false, []look{
			{0, young, unleased, wait(Settling, quietFor)},
			{time.Second, longer, unleased, wait(Settling, time.Second+quietFor)},
		}},
		"a touched file begins anew": {false, []look{
			{0, young, unleased, wait(Settling, quietFor)},
			{time.Second, touched, unleased, wait(Settling, time.Second+quietFor)},
		}},
		"a replaced file begins anew": {false, []look{
			{0, young, unleased, wait(Settling, quietFor)},
			{time.Second, replaced, unleased, wait(Settling, time.Second+quietFor)},
		}},
		"a changed mode does not": {false, []look{
			{0, young, unleased, wait(Settling, quietFor)},
			{quietFor, chmodded, unleased, ready},
		}},
		"old at start":                         {true, []look{{0, old, unleased, ready}}},
		"old later":                            {false, []look{{0, old, unleased, wait(Settling, quietFor)}}},
		"its old mtime was set, at start":      {true, []look{{0, copied, unleased, wait(Settling, quietFor)}}},
		"old and being written, at start":      {true, []look{{0, old, writing, wait(BeingWritten, lookMin)}}},
		"empty":                                {false, []look{{0, empty, quiet, wait(Empty, emptyWait)}, {emptyWait, empty, quiet, ready}}},
		"empty and unleased":                   {true, []look{{0, empty, unleased, wait(Empty, emptyWait)}, {emptyWait, empty, unleased, ready}}},
		"empty, then not":                      {false, []look{{0, empty, quiet, wait(Empty, emptyWait)}, {time.Second, young, quiet, ready}}},
		"unreadable until somebody changes it": {false, []look{{0, young, denied, decision{why: Unreadable}}, {time.Hour, young, quiet, ready}}},
	} {
		t.Run(name, func(t *testing.T) {
			var s settling
			for _, l := range tt.looks {
				var got decision
				s, got = s.look(start.Add(l.at), sighting{l.info, l.access}, quietFor, tt.atStart)
				if got != l.want {
					t.Errorf("after %v: %+v, want %+v", l.at, got, l.want)
				}
			}
		})
	}
}
