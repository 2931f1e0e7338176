package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
)

// Bounds of the numbers. A quiet period of nothing would apply what is still
// being written.
const (
	minSettle    = time.Second
	maxSettle    = time.Hour
	minRescan    = time.Second
	maxRescan    = 24 * time.Hour
	maxStartWait = time.Hour
	minMaxSize   = 1 << 10
	maxMaxSize   = 64 << 20

	maxDrops    = 1000
	maxListen   = 64
	maxPrefixes = 64
	maxKeyFiles = 64
)

// What is asked for where a value has another type.
const (
	wantText = "want a text in quotes"
	wantPath = "want an absolute path in quotes"
)

// field is one key (invariant 4).
type field struct {
	name string
	// set takes over a value as the TOML parser returns it.
	set func(value any) error
	// fromText turns a variable's text into such a value.
	fromText func(text string) any
	// get is the value as the TOML parser would return it; nil where nothing is
	// stated.
	get func() any

	// inner is there instead where the value is a table, whose header stands
	// in a file as header says.
	inner  func(key string, table map[string]any)
	tables func(key string, tables []map[string]any) // for a list of tables
	header string
}

// nested tells whether the value is a table, or a list of them.
func (f *field) nested() bool { return f.inner != nil || f.tables != nil }

// section is a table with a name, of which there is one.
type section struct {
	name   string
	fields []field
}

// sections describes all but the drop directories and the sets of scopes.
func (r *reading) sections() []section {
	c := r.config
	return []section{
		{"store", []field{
			choice("backend", &c.Store.Backend, Badger, Memory),
			text("path", wantPath, &c.Store.Path, parsePath),
		}},
		{"verify", []field{
			list("listen", &c.Verify.Listen, 1, maxListen, parseAddress),
			duration("start_wait", &c.Verify.StartWait, 0, maxStartWait),
			text("health", wantText, &c.Verify.Health, optional(parseAddress)),
			text("tls_cert", wantPath, &c.Verify.TLSCert, optional(parsePath)),
			text("tls_key", wantPath, &c.Verify.TLSKey, optional(parsePath)),
			boolean("allow_plain", &c.Verify.AllowPlain),
			list("trusted_proxies", &c.Verify.TrustedProxies, 0, maxProxies, provision.ParseNetwork),
			{name: "gates", header: "[[verify.gates]] above each gate", tables: r.gates},
		}},
		{"introspect", []field{
			list("listen", &c.Introspect.Listen, 0, maxListen, parseAddress),
			text("token_file", wantPath, &c.Introspect.TokenFile, optional(parsePath)),
		}},
		{"tokens", []field{
			text("prefix", wantText, &c.Tokens.Prefix, parseNoPrefix),
			list("former_prefixes", &c.Tokens.FormerPrefixes, 0, maxPrefixes, parsePrefix),
			list("pepper_files", &c.Tokens.PepperFiles, 0, maxKeyFiles, parsePath),
			list("encryption_key_files", &c.Tokens.EncryptionKeyFiles, 0, maxKeyFiles, parsePath),
			{name: "import", header: "[tokens.import.ID] for each ID", inner: r.imports},
		}},
		{"admin", []field{
			text("socket", wantPath, &c.Admin.Socket, parseSocket),
			text("group", wantText, &c.Admin.Group, parseText),
		}},
		{"log", []field{
			choice("level", &c.Log.Level, zerolog.TraceLevel, zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel, zerolog.ErrorLevel),
			choice("format", &c.Log.Format, Auto, Console, JSON),
		}},
	}
}

// fields describes a drop directory, without its rules.
func (d *Drop) fields() []field {
	return []field{
		text("name", wantText, &d.Name, parseText),
		text("path", wantPath, &d.Path, parsePath),
		choice("after_apply", &d.AfterApply, patches.Rename, patches.Remove, patches.Keep),
		duration("settle", &d.Settle, minSettle, maxSettle),
		duration("rescan", &d.Rescan, minRescan, maxRescan),
		duration("resync", &d.Resync, minRescan, maxRescan),
		boolean("redact", &d.Redact),
		boolean("strict", &d.Strict),
		list("dir_owners", &d.DirOwners, 0, maxDirs, parseOwner),
		size("max_size", &d.MaxSize, minMaxSize, maxMaxSize),
	}
}

// text is a field whose value is a text that parse reads; want is what to
// write instead of a value of another type.
func text[T any](name, want string, dst *T, parse func(string) (T, error)) field {
	set := func(value any) error {
		s, ok := value.(string)
		if !ok {
			return errors.New(want)
		}
		parsed, err := parse(s)
		if err == nil {
			*dst = parsed
		}
		return err
	}
	get := func() any {
		if s := fmt.Sprint(*dst); s != "" {
			return s
		}
		return nil
	}
	return field{name: name, set: set, fromText: func(s string) any { return s }, get: get}
}

// choice is one of several words.
func choice[T comparable](name string, dst *T, words ...T) field {
	parse := oneOf(words...)
	_, err := parse("")
	return text(name, err.Error(), dst, parse)
}

// oneOf reads one of several words, of which none is empty.
func oneOf[T comparable](words ...T) func(string) (T, error) {
	var names, quoted []string
	for _, w := range words {
		name := fmt.Sprint(w)
		names, quoted = append(names, name), append(quoted, strconv.Quote(name))
	}
	want := errors.New("want one of " + strings.Join(quoted, ", "))
	return func(s string) (none T, err error) {
		if i := slices.Index(names, s); i >= 0 {
			return words[i], nil
		}
		if n := provision.Nearest(s, names); n != "" {
			return none, fmt.Errorf("%w: did you mean %q?", want, n)
		}
		return none, want
	}
}

// duration is a whole number with a unit.
func duration(name string, dst *time.Duration, least, most time.Duration) field {
	const want = `want a whole number with s, m, h or d, as in "30s"`
	f := text(name, want, dst, func(s string) (time.Duration, error) {
		d, ok := parseUnit(s, durationUnits)
		if !ok {
			return 0, errors.New(want)
		}
		return d, between(d, least, most, durationUnits)
	})
	f.get = inUnits(dst, least, durationUnits)
	return f
}

// inUnits writes a number with its unit. One that is less than the least is not
// stated.
func inUnits[T ~int64](dst *T, least T, units []unit[T]) func() any {
	return func() any {
		if *dst < least {
			return nil
		}
		return formatUnit(*dst, units)
	}
}

// size is a number of bytes, or a text with a whole number and a unit.
func size(name string, dst *int64, least, most int64) field {
	const want = `want a whole number with KiB, MiB or GiB, as in "8MiB", or a number of bytes without quotes`
	f := text(name, want, dst, func(s string) (int64, error) {
		n, ok := parseUnit(s, sizeUnits)
		if !ok {
			return 0, errors.New(want)
		}
		return n, between(n, least, most, sizeUnits)
	})
	inText := f.set
	f.get = func() any {
		if text := formatUnit(*dst, sizeUnits); !strings.HasPrefix(text, "0") {
			return text
		}
		return *dst // no whole number of any unit
	}
	f.set = func(value any) error {
		n, ok := value.(int64)
		if !ok {
			return inText(value)
		}
		err := between(n, least, most, sizeUnits)
		if err == nil {
			*dst = n
		}
		return err
	}
	return f
}

// count is a whole number without a unit.
func count(name string, dst *int, least, most int64) field {
	want := fmt.Errorf("want a whole number from %d to %d, without quotes", least, most)
	get := func() any {
		if int64(*dst) < least {
			return nil
		}
		return int64(*dst)
	}
	return field{name: name, get: get, set: func(value any) error {
		n, ok := value.(int64)
		if !ok || n < least || n > most {
			return want
		}
		*dst = int(n)
		return nil
	}}
}

// between checks bounds.
func between[T ~int64](n, least, most T, units []unit[T]) error {
	if n < least || n > most {
		return fmt.Errorf("want at least %s and at most %s", formatUnit(least, units), formatUnit(most, units))
	}
	return nil
}

// boolean is true or false.
func boolean(name string, dst *bool) field {
	set := func(value any) error {
		b, ok := value.(bool)
		if !ok {
			return errors.New("want true or false, without quotes")
		}
		*dst = b
		return nil
	}
	fromText := func(s string) any {
		if s == "true" || s == "false" {
			return s == "true"
		}
		return s
	}
	return field{name: name, set: set, fromText: fromText, get: func() any { return *dst }}
}

// list is a list of texts that parse reads, no two of them the same; in a
// variable they are separated by commas.
func list[T comparable](name string, dst *[]T, least, most int, parse func(string) (T, error)) field {
	set := func(value any) error {
		items, ok := value.([]any)
		if !ok {
			return errors.New(`want a list of texts, as in ["one", "two"]`)
		}
		if len(items) < least || len(items) > most {
			return fmt.Errorf("want %d to %d entries", least, most)
		}
		parsed := make([]T, 0, len(items))
		for i, item := range items {
			var one T
			if err := text("", wantText, &one, parse).set(item); err != nil {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
			if slices.Contains(parsed, one) {
				return fmt.Errorf("entry %d: stands there twice, leave one out", i+1)
			}
			parsed = append(parsed, one)
		}
		*dst = parsed
		return nil
	}
	fromText := func(s string) any {
		var items []any
		if s == "" {
			return items
		}
		for item := range strings.SplitSeq(s, ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return items
	}
	get := func() any {
		if *dst == nil {
			return nil
		}
		texts := make([]string, len(*dst))
		for i, one := range *dst {
			texts[i] = fmt.Sprint(one)
		}
		return texts
	}
	return field{name: name, set: set, fromText: fromText, get: get}
}
