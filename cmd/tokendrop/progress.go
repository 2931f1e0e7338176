package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// progress is a line on a terminal that tells how far a command is; elsewhere it
// is nothing.
type progress struct{ to io.Writer }

// clearLine goes to the start of the line and clears it (ECMA-48: EL).
const clearLine = "\r\x1b[K"

func newProgress(cmd *cobra.Command) *progress {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(f) {
		return &progress{f}
	}
	return &progress{}
}

// show puts a text in the place of the one before.
func (p *progress) show(format string, args ...any) {
	if p.to != nil {
		fmt.Fprintf(p.to, clearLine+format, args...)
	}
}

// done leaves the line to what is printed next.
func (p *progress) done() {
	if p.to != nil {
		fmt.Fprint(p.to, clearLine)
	}
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
