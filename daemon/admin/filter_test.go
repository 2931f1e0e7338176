package admin

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/token"
)

func TestTokenFilter(t *testing.T) {
	const day = 24 * time.Hour
	at := func(d time.Duration) *time.Time {
		when := noon.Add(d)
		return &when
	}
	full := Token{User: "u", Name: "n", Type: "read-only", State: Active, ExpiresAt: at(30 * day), CreatedAt: at(-200 * day), LastUsedAt: at(-90 * day)}
	for name, tt := range map[string]struct {
		token  Token
		filter TokenFilter
		want   bool
	}{
		"all":                         {full, TokenFilter{}, true},
		"user":                        {full, TokenFilter{User: "u"}, true},
		"other user":                  {full, TokenFilter{User: "v"}, false},
		"name":                        {full, TokenFilter{User: "u", Name: "n"}, true},
		"other name":                  {full, TokenFilter{User: "u", Name: "m"}, false},
		"type":                        {full, TokenFilter{Type: "read-only"}, true},
		"other type":                  {full, TokenFilter{Type: "custom"}, false},
		"state":                       {full, TokenFilter{State: Active}, true},
		"other state":                 {full, TokenFilter{State: Blocked}, false},
		"expires just within":         {full, TokenFilter{ExpiresWithin: 30 * day}, true},
		"expires later":               {full, TokenFilter{ExpiresWithin: 30*day - 1}, false},
		"never expires":               {Token{}, TokenFilter{ExpiresWithin: 1000 * day}, false},
		"has expired":                 {Token{ExpiresAt: at(0)}, TokenFilter{ExpiresWithin: day}, false},
		"used just so long ago":       {full, TokenFilter{UnusedFor: 90 * day}, true},
		"used later":                  {full, TokenFilter{UnusedFor: 91 * day}, false},
		"never used":                  {Token{CreatedAt: at(-91 * day)}, TokenFilter{UnusedFor: 90 * day}, true},
		"never used, created lately":  {Token{CreatedAt: at(-day)}, TokenFilter{UnusedFor: 90 * day}, false},
		"never used, of no known age": {Token{}, TokenFilter{UnusedFor: 90 * day}, true},
	} {
		if got := tt.filter.Admits(&tt.token, noon); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEntryFilter(t *testing.T) {
	key := token.Key{1}
	e := Entry{Time: noon, Dir: "spool", Path: "a/b.yaml", Outcome: "failed", Entries: []Change{{User: "u", Name: "n", Key: &key}, {User: "v", Name: "m"}}}
	for _, tt := range []struct {
		filter EntryFilter
		want   bool
	}{
		{EntryFilter{}, true},
		{EntryFilter{Dir: "spool", Path: "a/b.yaml", Outcome: "failed", Since: noon, Until: noon.Add(1)}, true},
		{EntryFilter{Dir: "admin"}, false},
		{EntryFilter{Path: "a"}, false},
		{EntryFilter{Outcome: "installed"}, false},
		{EntryFilter{Since: noon.Add(1)}, false},
		{EntryFilter{Until: noon}, false},
		{EntryFilter{Token: "v/m"}, true},
		{EntryFilter{Token: "v/n"}, false},
		{EntryFilter{Token: key.String()}, true},
		{EntryFilter{Token: token.Key{2}.String()}, false},
	} {
		if got := tt.filter.Admits(&e); got != tt.want {
			t.Errorf("%+v: %v", tt.filter, got)
		}
	}
}

// A key means the token that has it, whatever it was called when it changed.
func TestHistoryOfKey(t *testing.T) {
	l := stocked(t)
	tok, err := token.Parse(tokenText)
	if err != nil {
		t.Fatal(err)
	}
	for called, want := range map[string]int{tok.Key.String(): 0, "u/gone": 1, strings.ToUpper(tok.Key.String()): 0} {
		list, err := all(over(t, l).History(t.Context(), EntryFilter{Token: called}))
		if err != nil || len(list) != want {
			t.Errorf("%s: %+v, %v", called, list, err)
		}
	}
	if f := (EntryFilter{Token: tok.Key.String()}).resolve(l); f.name != "u/b" {
		t.Errorf("the key is that of %q", f.name)
	}
}

// What a client asks for is what the server understands.
func TestFiltersTravel(t *testing.T) {
	tf := TokenFilter{User: "/u&x=y", Name: "n ü", Type: "custom", State: Expired, ExpiresWithin: 90 * time.Second, UnusedFor: 48 * time.Hour}
	ef := EntryFilter{Token: "u/n", Dir: "d", Path: "p?", Outcome: "failed", Since: noon, Until: noon.Add(time.Millisecond)}
	v, err := url.ParseQuery(strings.TrimPrefix(tf.query(), "?"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tokenFilter(v); err != nil || got != tf {
		t.Errorf("%+v, %v; want %+v", got, err, tf)
	}
	if v, err = url.ParseQuery(strings.TrimPrefix(ef.query(), "?")); err != nil {
		t.Fatal(err)
	}
	if got, err := entryFilter(v); err != nil || !reflect.DeepEqual(got, ef) {
		t.Errorf("%+v, %v; want %+v", got, err, ef)
	}
	if (&TokenFilter{}).query()+(&EntryFilter{}).query() != "" {
		t.Error("what admits all is not said")
	}
	for _, text := range []string{"state=x", "type=x", "expires_within=3", "unused_for=x", "usr=u"} {
		v, _ := url.ParseQuery(text)
		if _, err := tokenFilter(v); err == nil {
			t.Errorf("%s is a filter of tokens", text)
		}
	}
	for _, text := range []string{"outcome=x", "since=x", "until=2026-06-01", "usr=u"} {
		v, _ := url.ParseQuery(text)
		if _, err := entryFilter(v); err == nil {
			t.Errorf("%s is a filter of entries", text)
		}
	}
}

// The name of a drop directory that neither is nor was is a mistake, which an empty
// list would hide.
func TestHistoryOfNoDirectory(t *testing.T) {
	l := stocked(t)
	l.Directories = func() []Directory { return []Directory{{Config: patches.Config{Name: "new"}}} }
	client := over(t, l)
	for dir, want := range map[string]string{"spool": "", "new": "", provision.OrderDir: "", "spol": errNoDirectory.Error()} {
		_, err := all(client.History(t.Context(), EntryFilter{Dir: dir, Outcome: "skipped"}))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
