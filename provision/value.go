package provision

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// typed checks that a value is of the kind that its field wants, and says what
// to write where it is not.
func (v *validator) typed(f *field, want kind) bool {
	n, name := f.value, f.key.text
	if n.bad {
		return false
	}
	if n.kind == want {
		return true
	}
	v.report.at(n.pos, v.wrongKind(n, name, want))
	return false
}

func (v *validator) wrongKind(n *node, name string, want kind) string {
	switch {
	case n.kind == nullKind:
		return fmt.Sprintf("%q has no value; write one, or leave the field out", name)
	case want == listKind:
		return v.listWanted(name)
	case want == mapKind:
		return fmt.Sprintf("%q is a mapping of fields to values", name)
	case want == numberKind:
		return fmt.Sprintf("%q is the number 1, without quotes", name)
	case want == boolKind && n.kind == textKind && n.quoted && (n.text == "true" || n.text == "false"):
		return fmt.Sprintf("%q is true or false without quotes", name)
	case want == boolKind:
		return fmt.Sprintf("%q is true or false, and nothing else", name)
	case !n.scalar():
		return fmt.Sprintf("%q is one text, not a list or a mapping", name)
	case n.kind == numberKind:
		return fmt.Sprintf("%q is text, but here is a number; put quotes around it", name)
	case n.kind == boolKind:
		return fmt.Sprintf("%q is text, but here is true or false; put quotes around it", name)
	}
	return fmt.Sprintf("%q is text, but here is a date or time; put quotes around it", name)
}

func (v *validator) listWanted(name string) string {
	switch v.syntax {
	case tomlSyntax:
		return fmt.Sprintf("%q is a list of entries; each one starts with [[%s]]", name, name)
	case jsonSyntax:
		return fmt.Sprintf("%q is a list of entries in square brackets", name)
	}
	return fmt.Sprintf("%q is a list of entries; each one starts with \"- \"", name)
}

// text reads a text without any further form.
func (v *validator) text(f *field) (string, bool) {
	if !v.typed(f, textKind) {
		return "", false
	}
	n, name := f.value, f.key.text
	for _, c := range n.text {
		what := unprintable(c)
		if what == "" && c == '\ufffd' {
			what = "an escape that means no character"
		}
		if what == "" {
			continue
		}
		if c == '\n' {
			what = "a line break"
		}
		v.report.at(n.pos, fmt.Sprintf("%q has %s in it; write it without", name, what))
		return "", false
	}
	return n.text, true
}

// label reads a text for people: of limited length, in one spelling.
func (v *validator) label(f *field, limit int) Stated[string] {
	if f == nil {
		return Stated[string]{}
	}
	text, ok := v.text(f)
	if !ok {
		return Stated[string]{}
	}
	n, name := f.value, f.key.text
	switch {
	case len(text) > limit:
		v.report.at(n.pos, fmt.Sprintf("%q is longer than %d bytes", name, limit))
	case !norm.NFC.IsNormalString(text):
		v.report.at(n.pos, fmt.Sprintf("%q is not in Unicode's composed form (NFC), so that it would not equal what looks the same; convert it", name))
	default:
		return Stated[string]{Value: text, Pos: n.pos, OK: true}
	}
	return Stated[string]{}
}

// identifier reads a user or a name.
func (v *validator) identifier(f *field, limit int) Stated[string] {
	s := v.label(f, limit)
	switch {
	case !s.OK:
	case s.Value == "":
		v.report.at(s.Pos, fmt.Sprintf("%q is empty", f.key.text))
		s.OK = false
	case strings.TrimSpace(s.Value) != s.Value:
		v.report.at(s.Pos, fmt.Sprintf("%q has a space at its start or end; remove it", f.key.text))
		s.OK = false
	}
	return s
}

func (v *validator) boolean(f *field) Stated[bool] {
	if f == nil || !v.typed(f, boolKind) {
		return Stated[bool]{}
	}
	n := f.value
	if n.text != "true" && n.text != "false" {
		v.report.at(n.pos, fmt.Sprintf("%q is written true or false, in lower case", f.key.text))
		return Stated[bool]{}
	}
	return Stated[bool]{Value: n.text == "true", Pos: n.pos, OK: true}
}

// The years that a manifest can state.
const (
	minYear = 1970
	maxYear = 9999
)

const oneDay = 24 * time.Hour

const timeWanted = `write a time with its offset, like 2027-12-31T18:00:00Z or 2027-12-31T18:00:00+01:00, or a date like 2027-12-31`

var (
	dateForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	localForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$`)
	timeForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
)

const impossible = "is a date or time that does not exist"

// instant reads a time, or a date as the first instant of its day or, with
// end, the first one after it. Problem says what is wrong, if anything.
func instant(text string, end bool) (at time.Time, problem string) {
	var err error
	switch {
	case dateForm.MatchString(text):
		at, err = time.Parse(time.DateOnly, text)
		if end && err == nil {
			at = endOf(at)
		}
	case timeForm.MatchString(text):
		at, err = time.Parse(time.RFC3339Nano, text[:10]+"T"+text[11:])
	case localForm.MatchString(text):
		return at, "is a time without an offset; put Z for UTC or one like +01:00 behind it, and state the seconds"
	default:
		return at, "is no time; " + timeWanted
	}
	at = at.UTC().Truncate(time.Millisecond)
	switch {
	case err != nil:
		return at, impossible
	case at.Year() < minYear || at.Year() > maxYear:
		return at, "is out of range; years go from 1970 to 9999"
	}
	return at, ""
}

// endOf is the first instant after a day. The last day that can be written,
// which many products use for "never", ends a millisecond early, because there
// is no way to write the year after it.
func endOf(day time.Time) time.Time {
	end := day.Add(oneDay)
	if end.Year() > maxYear {
		end = end.Add(-time.Millisecond)
	}
	return end
}

// timestamp reads a time or a date. In TOML both may stand without quotes.
func (v *validator) timestamp(f *field, end bool) (time.Time, bool) {
	at, problem := instant(f.value.text, end)
	if problem != "" {
		if end && strings.Contains(problem, "range") {
			problem += `; for no end write "never"`
		}
		v.report.at(f.value.pos, fmt.Sprintf("%q %s", f.key.text, problem))
	}
	return at, problem == ""
}

func (v *validator) timeText(f *field) (string, bool) {
	if f.value.kind == timeKind {
		return f.value.text, true
	}
	return v.text(f)
}

var durationForm = regexp.MustCompile(`^[0-9]+[smhd]$`)

var durationUnits = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': oneDay}

// duration reads a whole number with its unit.
func duration(text string) (d time.Duration, problem string) {
	if !durationForm.MatchString(text) {
		return 0, `is no duration; write a whole number with s, m, h or d, like 90d, or "unlimited"`
	}
	unit := durationUnits[text[len(text)-1]]
	count, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	switch {
	case err != nil || count > math.MaxInt64/int64(unit):
		return 0, `is longer than 292 years; for no end write "unlimited"`
	case count == 0:
		return 0, `is no time at all; write at least 1s`
	}
	return time.Duration(count) * unit, ""
}
