package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// progress is a line on a terminal that tells how far something is. What is
// written through it comes above that line. Where there is no terminal, or one
// that cannot clear a line, nothing is shown.
type progress struct {
	to    io.Writer
	shows bool

	mu    sync.Mutex
	there bool // a line is, and the cursor at its end
}

// clearLine goes to the start of the line and clears it (ECMA-48: EL).
const clearLine = "\r\x1b[K"

func newProgress(cmd *cobra.Command) *progress {
	f, ok := cmd.ErrOrStderr().(*os.File)
	return &progress{to: cmd.ErrOrStderr(), shows: ok && isScreen(f)}
}

// isScreen tells whether a file is a terminal that takes more than text: terminfo
// calls one that does not "dumb".
func isScreen(f *os.File) bool { return isTerminal(f) && os.Getenv("TERM") != "dumb" }

// show puts a text in the place of the one before.
func (p *progress) show(format string, args ...any) {
	if !p.shows {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there = true
	fmt.Fprintf(p.to, clearLine+format, args...)
}

// done leaves the line to what is printed next.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.there {
		p.there = false
		fmt.Fprint(p.to, clearLine)
	}
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.to.Write(b)
}

// patches shows how far first passes over drop directories are.
func (p *progress) patches(done, all int) {
	if all == 0 {
		p.done()
		return
	}
	p.show("%d of %d patches applied (%d%%)", done, all, percent(done, all))
}

// percent is the part of all that is done.
func percent(done, all int) int {
	const whole = 100
	return min(done, all) * whole / max(all, 1)
}

// writing shows how much is written through it.
type writing struct {
	io.Writer
	*progress

	bytes, shown int
}

// mebibyte is the step in which that is shown.
const mebibyte = 1 << 20

func (w *writing) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if w.bytes += n; w.bytes-w.shown >= mebibyte || w.shown == 0 {
		w.shown = w.bytes
		w.show("%d MiB written", w.bytes/mebibyte)
	}
	return n, err
}

// lookEvery is how often it is looked how far something is.
const lookEvery = 50 * time.Millisecond

// while calls show now and then, until the returned function is called.
func (p *progress) while(show func()) (stop func()) {
	if !p.shows {
		return func() {}
	}
	ended, quit := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(lookEvery)
		defer ticks.Stop()
		for {
			show()
			select {
			case <-quit:
				return
			case <-ticks.C:
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
		p.done()
	}
}

// reading shows how far a file is read, after a text, until the returned function
// is called.
func (p *progress) reading(text string, f *os.File) (stop func()) {
	return p.while(func() {
		info, err := f.Stat()
		if at, wrong := f.Seek(0, io.SeekCurrent); err == nil && wrong == nil {
			p.show("%s: %d%%", text, percent(int(at), int(info.Size())))
		}
	})
}
