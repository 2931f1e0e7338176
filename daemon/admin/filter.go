package admin

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/token"
)

// TokenFilter says which tokens are meant. What is empty admits all.
type TokenFilter struct {
	User, Name, Type string
	State            State
	ExpiresWithin    time.Duration // and have not yet
	// UnusedFor are those that were not used for that long, nor created within
	// it.
	UnusedFor time.Duration
}

// types are those of tokens, by their names.
var types = []string{"full-access", "read-only", "custom"}

// Admits tells whether a token is meant.
func (f *TokenFilter) Admits(t *Token, now time.Time) bool {
	return (f.User == "" || t.User == f.User) &&
		(f.Name == "" || t.Name == f.Name) &&
		(f.Type == "" || t.Type == f.Type) &&
		(f.State == "" || t.State == f.State) &&
		(f.ExpiresWithin == 0 || t.expiresWithin(f.ExpiresWithin, now)) &&
		(f.UnusedFor == 0 || t.unusedFor(f.UnusedFor, now))
}

func (t *Token) expiresWithin(d time.Duration, now time.Time) bool {
	return t.ExpiresAt != nil && t.ExpiresAt.After(now) && !t.ExpiresAt.After(now.Add(d))
}

// unusedFor counts a token that was never used as unused since its creation.
func (t *Token) unusedFor(d time.Duration, now time.Time) bool {
	since := t.LastUsedAt
	if since == nil {
		since = t.CreatedAt
	}
	return since == nil || !since.After(now.Add(-d))
}

// Check finds what cannot be meant; names begins the names of the fields, as in
// "--".
func (f *TokenFilter) Check(names string) error {
	if f.State != "" && !slices.Contains(States, f.State) {
		return errors.New(names + "state must be one of active, disabled, expired, blocked")
	}
	if f.Type != "" && !slices.Contains(types, f.Type) {
		return errors.New(names + "type must be one of full-access, read-only, custom")
	}
	return nil
}

// query is the filter as a URL has it.
func (f *TokenFilter) query() string {
	return query(map[string]string{
		"user": f.User, "name": f.Name, "type": f.Type, "state": string(f.State),
		"expires_within": seconds(f.ExpiresWithin), "unused_for": seconds(f.UnusedFor),
	})
}

func tokenFilter(v url.Values) (f TokenFilter, err error) {
	r := values{v, nil}
	f = TokenFilter{
		User: r.text("user"), Name: r.text("name"), Type: r.text("type"), State: State(r.text("state")),
		ExpiresWithin: r.duration("expires_within"), UnusedFor: r.duration("unused_for"),
	}
	return f, errors.Join(r.err, r.rest(), f.Check(""))
}

// EntryFilter says which entries of the ledger are meant. What is empty admits
// all.
type EntryFilter struct {
	Token   string // a key, or USER/NAME, that a change is about
	Dir     string
	Path    string
	Outcome string
	Since   time.Time // that instant and later
	Until   time.Time // before that instant

	// names are those of the token that has the key now, beside the key.
	name string
}

// outcomes are those of patches, by their names.
var outcomes = []string{"installed", "failed", "skipped"}

// Admits tells whether an entry is meant.
func (f *EntryFilter) Admits(e *Entry) bool {
	return (f.Dir == "" || e.Dir == f.Dir) &&
		(f.Path == "" || e.Path == f.Path) &&
		(f.Outcome == "" || e.Outcome == f.Outcome) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) &&
		(f.Until.IsZero() || e.Time.Before(f.Until)) &&
		(f.Token == "" || slices.ContainsFunc(e.Entries, f.isAbout))
}

func (f *EntryFilter) isAbout(c Change) bool {
	called := c.User + "/" + c.Name
	return called == f.Token || called == f.name || c.Key != nil && c.Key.String() == f.Token
}

// Check is that of TokenFilter.
func (f *EntryFilter) Check(names string) error {
	if f.Outcome != "" && !slices.Contains(outcomes, f.Outcome) {
		return errors.New(names + "outcome must be one of installed, failed, skipped")
	}
	return nil
}

func (f *EntryFilter) query() string {
	return query(map[string]string{
		"token": f.Token, "dir": f.Dir, "path": f.Path, "outcome": f.Outcome, "since": instantText(f.Since), "until": instantText(f.Until),
	})
}

func entryFilter(v url.Values) (f EntryFilter, err error) {
	r := values{v, nil}
	f = EntryFilter{
		Token: r.text("token"), Dir: r.text("dir"), Path: r.text("path"), Outcome: r.text("outcome"),
		Since: r.instant("since"), Until: r.instant("until"),
	}
	return f, errors.Join(r.err, r.rest(), f.Check(""))
}

// resolve lets a key mean the token that has it, under whatever key it was
// changed.
func (f EntryFilter) resolve(l *Local) EntryFilter {
	if key, err := token.ParseKey(f.Token); err == nil {
		if rec, ok := l.Store.ByKey(key); ok {
			f.name = rec.User + "/" + rec.Name.Name
		}
		f.Token = key.String()
	}
	return f
}

// query encodes what is not empty.
func query(fields map[string]string) string {
	v := url.Values{}
	for name, text := range fields {
		if text != "" {
			v.Set(name, text)
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%ds", int64(d/time.Second))
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// values are read one by one, and the first error kept.
type values struct {
	url.Values

	err error
}

// text takes out the value of a field.
func (v *values) text(name string) string {
	text := v.Get(name)
	v.Del(name)
	return text
}

func (v *values) duration(name string) time.Duration {
	text := v.text(name)
	if text == "" {
		return 0
	}
	d, err := provision.ParseDuration(text)
	v.wrong(name, err)
	return d
}

func (v *values) instant(name string) time.Time {
	text := v.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		err = errors.New("must be a time like 2026-06-01T12:00:00Z")
	}
	v.wrong(name, err)
	return t
}

func (v *values) wrong(name string, err error) {
	if err != nil && v.err == nil {
		v.err = fmt.Errorf("%s %w", name, err)
	}
}

// rest refuses fields that there are not: a filter that was not understood
// would list more than was meant.
func (v *values) rest() error {
	if len(v.Values) > 0 {
		return errors.New("there is no such filter")
	}
	return nil
}
