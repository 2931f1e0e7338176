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
		return s.after.set(name, value)
	case "valid-before":
		return s.before.set(name, value)
	}
	return unknownOption(name)
}

// set reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, each with a Z behind it or
// not.
func (m *moment) set(name, value string) error {
	if !m.isZero() {
		return twice(name)
	}
	digits, utc := strings.CutSuffix(value, "Z")
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	at, err := time.Parse(layout, digits)
	if layout == "" || err != nil || at.Year() < minYear {
		return fmt.Errorf("%q is written YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ", name)
	}
	*m = moment{at, utc}
	return nil
}

func twice(name string) error { return fmt.Errorf("it has %q twice", name) }

func (s *signer) inOrder() error {
	if !s.after.isZero() && !s.before.isZero() && !s.after.clock.Before(s.before.clock) {
		return errors.New(`its "valid-before" is not later than its "valid-after"`)
	}
	return nil
}
