package main

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"text/tabwriter"
)

// tableBlock is how many rows are laid out together: a list may have a million.
const tableBlock = 1000

// printStream prints a list while it comes: as a JSON array, or as a table with
// that head and a row for each.
func printStream[T any](c *cli, w io.Writer, list iter.Seq2[T, error], head []string, row func(*T) []string) error {
	if c.output == jsonOut {
		return printArray(w, list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printRow(t, head)
	printed := 0
	for one, err := range list {
		if err != nil {
			if printed > 0 {
				_ = t.Flush() // the first error is the one to tell
			}
			return err
		}
		printRow(t, row(&one))
		if printed++; printed%tableBlock == 0 {
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

// printArray prints what printJSON would print of the whole list.
func printArray[T any](w io.Writer, list iter.Seq2[T, error]) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("  ", "  ")
	before := "[\n  "
	for one, err := range list {
		if err != nil {
			return err
		}
		b.Reset()
		b.WriteString(before)
		if err := e.Encode(one); err != nil {
			return err
		}
		if _, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		before = ",\n  "
	}
	end := "\n]\n"
	if before == "[\n  " {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}
