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
	n := f.value
	if n.bad {
		return false
	}
	if n.kind == want {
		return true
	}
	v.report.at(n.pos, f.name()+" "+v.wrongKind(n, f.key.text, want))
	return false
}

func (v *validator) wrongKind(n *node, key string, want kind) string {
	switch {
	case n.kind == nullKind:
		return "has no value; write one, or leave it out"
	case want == listKind:
		return v.listWanted(key)
	case want == mapKind:
		return mapWanted(key)
	case want == numberKind:
		return "is a whole number, without quotes"
	case want == boolKind && n.kind == textKind && n.quoted && (n.text == "true" || n.text == "false"):
		return "is true or false without quotes"
	case want == boolKind:
		return "is true or false, and nothing else"
	case !n.scalar():
		return "is one text, not a list or a mapping"
	case n.kind == numberKind:
		return "is text, but here is a number; put quotes around it"
	case n.kind == boolKind:
		return "is text, but here is true or false; put quotes around it"
	}
	return "is text, but here is a date or time; put quotes around it"
}

func (v *validator) listWanted(key string) string {
	entries := key == "tokens" || key == "users"
	switch {
	case !entries && v.syntax == yamlSyntax:
		return `is a list; write it in square brackets, or each item on a line of its own after "- "`
	case !entries:
		return "is a list, in square brackets"
	case v.syntax == tomlSyntax:
		return fmt.Sprintf("is a list of entries; each one starts with [[%s]]", key)
	case v.syntax == jsonSyntax:
		return "is a list of entries in square brackets"
	}
	return `is a list of entries; each one starts with "- "`
}

func mapWanted(key string) string {
	switch key {
	case "from":
		return `is a mapping with "key", or "user" and "name", of the token to copy`
	case "labels":
		return "is a mapping of keys to texts"
	case "write_to":
		return `is a mapping with "path", the file that the token is written to`
	}
	return "is a mapping of fields to values"
}

// text reads a text without any further form.
func (v *validator) text(f *field) (string, bool) {
	if !v.typed(f, textKind) {
		return "", false
	}
	n := f.value
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
		v.report.at(n.pos, fmt.Sprintf("%s has %s in it; write it without", f.name(), what))
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
	n := f.value
	switch {
	case len(text) > limit:
		v.report.at(n.pos, fmt.Sprintf("%s is longer than %d bytes", f.name(), limit))
	case !norm.NFC.IsNormalString(text):
		v.report.at(n.pos, f.name()+" is not in Unicode's composed form (NFC), so that it would not equal what looks the same; convert it")
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

// onlyTrue reads a field that says by being there what its action is to do.
func (v *validator) onlyTrue(f *field) Stated[bool] {
	b := v.boolean(f)
	if b.OK && !b.Value {
		v.report.at(b.Pos, f.name()+" can only be true; leave it out instead")
		return Stated[bool]{}
	}
	return b
}

var wholeForm = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

// whole reads a whole number of at least least, that has no more than so many
// bits.
func (v *validator) whole(f *field, least uint64, bits int) Stated[uint64] {
	if f == nil || !v.typed(f, numberKind) {
		return Stated[uint64]{}
	}
	n := f.value
	value, err := strconv.ParseUint(n.text, 10, bits)
	switch {
	case !wholeForm.MatchString(n.text) || value < least:
		v.report.at(n.pos, fmt.Sprintf("%s is a whole number from %d on, written in plain digits", f.name(), least))
	case err != nil:
		v.report.at(n.pos, f.name()+" is larger than any number that can be meant")
	default:
		return Stated[uint64]{Value: value, Pos: n.pos, OK: true}
	}
	return Stated[uint64]{}
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

// duration reads a whole number with its unit, but no zero.
func duration(text string) (d time.Duration, problem string) {
	d, problem = anyDuration(text)
	if problem == "" && d == 0 {
		problem = noTime
	}
	return d, problem
}

const noTime = "is no time at all; write at least 1s"

func anyDuration(text string) (d time.Duration, problem string) {
	if !durationForm.MatchString(text) {
		return 0, "is no duration; write a whole number with s, m, h or d, like 90d"
	}
	unit := durationUnits[text[len(text)-1]]
	count, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	if err != nil || count > math.MaxInt64/int64(unit) {
		return 0, "is longer than 292 years"
	}
	return time.Duration(count) * unit, ""
}

// durationText reads the text of a duration.
func (v *validator) durationText(f *field) (string, bool) {
	if f.value.kind == numberKind && !f.value.bad {
		v.report.at(f.value.pos, f.name()+" lacks its unit; write a whole number with s, m, h or d, like 90d")
		return "", false
	}
	return v.text(f)
}
