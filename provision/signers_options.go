package provision

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// take reads the options of a line, separated by commas. One that is not known
// makes the line useless: it could be a restriction.
func (s *signer) take(options string) error {
	for more := true; more; {
		end := strings.IndexAny(options, "=,")
		if end < 0 || options[end] == ',' { // one without a value
			name, _, _ := strings.Cut(options, ",")
			return unknownOption(strings.ToLower(name))
		}
		value, rest, err := cutQuoted(options[end+1:])
		if err == nil {
			err = s.set(strings.ToLower(options[:end]), value)
		}
		if err != nil {
			return err
		}
		if options, more = strings.CutPrefix(rest, ","); !more && rest != "" {
			return errors.New("in its options something follows a quote that is no comma")
		}
	}
	return s.inOrder()
}

// cutQuoted takes a value in quotes. A quote in it has a \ in front.
func cutQuoted(text string) (value, rest string, err error) {
	inside, ok := strings.CutPrefix(text, `"`)
	if !ok {
		return "", "", errors.New(`the value of an option is written in quotes: namespaces="tokendrop"`)
	}
	var b strings.Builder
	for i := 0; i < len(inside); i++ {
		switch {
		case strings.HasPrefix(inside[i:], `\"`):
			i++
		case inside[i] == '"':
			return b.String(), inside[i+1:], nil
		}
		b.WriteByte(inside[i])
	}
	return "", "", errors.New("a quote in its options does not end")
}

func unknownOption(name string) error {
	if name == "cert-authority" {
		return errors.New(`"cert-authority" is not supported here; name the keys themselves`)
	}
	return errors.New("it has an option that is not known; there are namespaces, valid-after and valid-before")
}

func (s *signer) set(name, value string) error {
	switch name {
	case "namespaces":
		if s.namespaces.OK {
			return twice(name)
		}
		s.namespaces = Stated[string]{Value: value, OK: true}
		return nil
	case "valid-after":
		return setTime(&s.after, name, value, westmost)
	case "valid-before":
		return setTime(&s.before, name, value, eastmost)
	}
	return unknownOption(name)
}

// The offsets of the time zones where a day ends last and first.
const (
	westmost = -12 * time.Hour
	eastmost = 14 * time.Hour
)

// setTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, each in UTC with a Z
// behind it, otherwise in the zone of that offset.
func setTime(t *time.Time, name, value string, offset time.Duration) error {
	if !t.IsZero() {
		return twice(name)
	}
	digits, utc := strings.CutSuffix(value, "Z")
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	at, err := time.Parse(layout, digits)
	if layout == "" || err != nil || at.Year() < minYear {
		return fmt.Errorf("%q is written YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ", name)
	}
	if !utc {
		at = at.Add(-offset)
	}
	*t = at
	return nil
}

func twice(name string) error { return fmt.Errorf("it has %q twice", name) }

func (s *signer) inOrder() error {
	if !s.after.IsZero() && !s.before.IsZero() && !s.after.Before(s.before) {
		return errors.New(`its "valid-before" is not later than its "valid-after"`)
	}
	return nil
}
