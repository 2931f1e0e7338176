package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printJSON prints data for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printTable prints rows for people, the first one as its head.
func printTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		printRow(t, row)
	}
	return t.Flush()
}

// printRow prints one row of a table.
func printRow(w io.Writer, row []string) {
	cells := make([]string, len(row))
	for i := range row {
		cells[i] = visible(row[i])
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// visible shows what would move a terminal's cursor, or a column, as a
// question mark.
func visible(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
