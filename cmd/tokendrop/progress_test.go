package main

import (
	"fmt"
	"strings"
	"testing"
)

// What is written comes above the line, and nothing of the line stays.
func TestProgress(t *testing.T) {
	for shows, want := range map[bool]string{
		true:  clearLine + "0 of 3 (0%)" + clearLine + "2 of 3 (66%)" + clearLine + "log\n" + "log\n" + clearLine + "3 of 3 (100%)" + clearLine,
		false: "log\nlog\n",
	} {
		var out strings.Builder
		p := &progress{to: &out, shows: shows}
		show := func(done, all int) { p.show("%d of %d (%d%%)", done, all, percent(done, all)) }
		show(0, 3)
		show(2, 3)
		fmt.Fprintln(p, "log")
		fmt.Fprintln(p, "log")
		show(3, 3)
		p.done()
		p.done()
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
	if got := percent(0, 0); got != 0 {
		t.Errorf("%d%% of nothing", got)
	}
}
