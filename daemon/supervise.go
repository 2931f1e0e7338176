package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/patches"
)

const (
	// tellEvery is how often systemd is told how things are, or more often if
	// its watchdog wants that.
	tellEvery = 10 * time.Second
	// pingsPerWatchdog leaves room for what takes its time: a loop that moves on
	// only every half of the watchdog's time still gets it its pings.
	pingsPerWatchdog = 4
	// startTime is how much more time a first pass asks for that moves on, each
	// time: sd_notify(3), EXTEND_TIMEOUT_USEC.
	startTime = time.Minute
)

// pulse tells whether everything that matters moves on.
type pulse struct {
	dirs    func() []*patches.Dir
	answers func(context.Context) bool // verify
	last    map[*patches.Dir]uint64
}

// heldUp names the drop directories whose loop has not moved on since it was
// asked last.
func (p *pulse) heldUp() (names []string) {
	now := map[*patches.Dir]uint64{}
	for _, dir := range p.dirs() {
		before, known := p.last[dir]
		now[dir] = dir.Beats()
		if known && now[dir] == before {
			names = append(names, dir.Status().Name)
		}
	}
	p.last = now
	return names
}

// supervised tells systemd, until ctx ends, how things are and that they move
// on. Its watchdog ends a daemon with a drop directory or a gate that is stuck;
// what takes long and moves on is none.
func (d *daemon) supervised(ctx context.Context, servers []server) error {
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.Log.Warn().Err(err).Msg("the watchdog is not served")
	}
	every := tellEvery
	if watchdog > 0 {
		every = min(every, watchdog/pingsPerWatchdog)
	}
	p := &pulse{dirs: d.drops.dirs, answers: func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, every)
		defer cancel()
		return answers(ctx, servers)
	}}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	d.notify(d.statusLine())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			d.notify(d.news(ctx, p, watchdog > 0))
		}
	}
}

// news is what systemd is told at a tick.
func (d *daemon) news(ctx context.Context, p *pulse, watched bool) string {
	lines := []string{d.statusLine()}
	heldUp := p.heldUp()
	switch {
	case heldUp != nil:
		d.Log.Warn().Strs("drops", heldUp).Msg("drop directories are held up: nothing is applied there")
	case !d.ready.Load():
		lines = append(lines, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startTime.Microseconds()))
	case watched && p.answers(ctx):
		lines = append(lines, systemd.SdNotifyWatchdog)
	}
	return strings.Join(lines, "\n")
}

// statusLine is what "systemctl status" shows: one line, which names no file.
func (d *daemon) statusLine() string {
	h := d.health()
	text := "ready"
	switch {
	case !h.Ready:
		text = "first pass over the drop directories"
	case len(h.Degraded) == 1:
		text = "degraded: " + h.Degraded[0]
	case len(h.Degraded) > 1:
		text = fmt.Sprintf("degraded: %s; and %d more, see tokendrop status", h.Degraded[0], len(h.Degraded)-1)
	}
	if n := d.store.Len(); n == 1 {
		text += "; 1 token"
	} else {
		text += fmt.Sprintf("; %d tokens", n)
	}
	return "STATUS=" + strings.ReplaceAll(text, "\n", " ")
}

// teller tells systemd things, by sd_notify(3).
type teller struct {
	mu   sync.Mutex
	told string // last
	deaf bool   // it could not be told
}

// notify tells systemd how things are, unless it has just been told the same and
// does not wait for that. It is said once in the log if it cannot be told.
func (d *daemon) notify(state string) {
	t := &d.teller
	t.mu.Lock()
	defer t.mu.Unlock()
	if state == t.told && strings.HasPrefix(state, "STATUS=") && !strings.Contains(state, "\n") {
		return
	}
	t.told = state
	_, err := systemd.SdNotify(false, state)
	if err != nil && !t.deaf {
		d.Log.Warn().Err(err).Msg("telling systemd")
	}
	t.deaf = err != nil
}

// answers asks the first of the gates' listeners whether it lives. Only no
// answer in time says that it does not: a process without descriptors to spare
// is busy, and not stuck.
func answers(ctx context.Context, servers []server) bool {
	for _, s := range servers {
		if !s.asked {
			continue
		}
		a := s.listener.Addr()
		_, err := askReady(ctx, config.Address{Network: a.Network(), Address: reachable(a)}, s.plain)
		return err == nil || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
	}
	return true
}

// reachable is where a listener's address is reached from this machine.
func reachable(a net.Addr) string {
	if here, ok := dialable(config.Address{Network: a.Network(), Address: a.String()}); ok {
		return here.Address
	}
	return a.String()
}
