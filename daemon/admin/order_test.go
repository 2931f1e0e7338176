package admin

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
)

// An order is applied like a patch, and the ledger has the user at the other
// end of the connection as its author.
func TestApply(t *testing.T) {
	local := stocked(t)
	client := over(t, local)
	good := []byte("tokens:\n- {action: create, user: u, name: new, generate: true}\n- {action: delete, user: u, name: none}\n")
	applied, err := client.Apply(t.Context(), []Manifest{
		{Dir: "spool", Path: "/root/good.yaml", Data: good},
		{Path: "wrong.yaml", Data: []byte("tokens:\n- {action: enable, user: u, name: none}\n")},
		{Path: "none.yaml"},
		{Path: "notes.txt", Data: good},
		{Path: "large.yaml", Data: make([]byte, maxOrder+1)},
		{Path: "last.yaml", Data: good},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range applied {
		line := a.Outcome
		for _, e := range a.Entries {
			line += " " + e.Result
		}
		for _, p := range a.Problems {
			line += " " + strconv.Itoa(p.Line) + strings.SplitN(p.Message, ";", 2)[0][:20]
		}
		got = append(got, line)
	}
	want := []string{
		"installed created unchanged", "failed 2there is no such tok", "skipped",
		"failed 0its name ends in non", "failed 0the file has 8388609", "installed unchanged unchanged",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	entries, err := all(client.History(t.Context(), EntryFilter{Dir: provision.OrderDir}))
	if err != nil || len(entries) != 5 {
		t.Fatalf("%d entries, %v; what has no syntax is no patch", len(entries), err)
	}
	for _, e := range entries {
		if me := patches.UserName(uint32(os.Geteuid())); e.Author != me {
			t.Errorf("%s is by %q, want %q", e.Path, e.Author, me)
		}
	}
	tok, err := client.Token(t.Context(), "u/new")
	if err != nil || tok.Source != "admin/root/good.yaml" {
		t.Errorf("the token is from %s, %v", tok.Source, err)
	}
}

// Invariant 1: what was generated is told once, to whoever has asked for it.
func TestApplyAttended(t *testing.T) {
	client := over(t, stocked(t))
	ask := func(attended bool, name string) Applied {
		data := []byte(`{"tokens": [{"action": "create", "user": "u", "name": "` + name + `", "generate": true}]}`)
		applied, err := client.Apply(t.Context(), []Manifest{{Path: "create.json", Data: data, Attended: attended}})
		if err != nil || applied[0].Outcome != "installed" {
			t.Fatal(applied, err)
		}
		return applied[0]
	}
	a := ask(true, "new")
	if len(a.Tokens) != 1 || a.Tokens[0].Key != *a.Entries[0].Key {
		t.Fatalf("%d tokens", len(a.Tokens))
	}
	if v, err := client.Verify(t.Context(), Question{Token: a.Tokens[0].Token, Gate: verify.DefaultName}); err != nil || v.Name != "new" {
		t.Errorf("the token that was told is refused: %+v, %v", v, err)
	}
	if a := ask(true, "new"); len(a.Tokens) > 0 {
		t.Error("a token that was there is told")
	}
	if a := ask(false, "other"); len(a.Tokens) > 0 {
		t.Error("a token is told that nobody has asked for")
	}
}

// Where it is not known what was stored, the process is told to end, and so is
// whoever gave the order.
func TestApplyBroken(t *testing.T) {
	local := stocked(t)
	broken := make(chan error, 1)
	local.Broken = func(err error) { broken <- err }
	local.Applier.Store = unknowing{local.Store}
	_, err := over(t, local).Apply(t.Context(), []Manifest{{Path: "a.yaml", Data: []byte("tokens:\n- {action: delete, user: u, name: b}\n")}})
	if !errors.Is(err, store.ErrUnknown) || !errors.Is(<-broken, store.ErrUnknown) {
		t.Errorf("the order has ended with %v", err)
	}
}

type unknowing struct{ store.Store }

func (unknowing) Commit(context.Context, store.Batch) error { return store.ErrUnknown }

// What cannot be told whole is no answer.
func TestStreamIsCutOff(t *testing.T) {
	local := stocked(t)
	errBad := errors.New("the ledger is damaged")
	for entries, want := range map[int]string{0: "the ledger is damaged", 100_000: "unexpected EOF"} {
		client := over(t, failing{local, entries, errBad})
		list, err := all(client.History(t.Context(), EntryFilter{}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("after %d entries: %d, %v; want %s", entries, len(list), err, want)
		}
	}
}

type failing struct {
	Service

	after int
	err   error
}

func (f failing) History(context.Context, EntryFilter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for range f.after {
			if !yield(Entry{}, nil) {
				return
			}
		}
		yield(Entry{}, f.err)
	}
}

// A question that was not understood is refused, and not guessed at.
func TestBadRequests(t *testing.T) {
	client := over(t, stocked(t))
	for path, body := range map[string]string{
		verifyPath: `{"tokn": "x"}`, planPath: `{`, applyPath: `[{"path": 1}]`, lookPath: `{"places": [], "waitt": true}`,
	} {
		if err := client.do(t.Context(), "POST", path, strings.NewReader(body), new(any)); err == nil || !strings.Contains(err.Error(), "reading the request") {
			t.Errorf("%s of %s: %v", path, body, err)
		}
	}
	if err := client.get(t.Context(), tokensPath+"?stat=active", new(any)); err == nil || !strings.Contains(err.Error(), "no such filter") {
		t.Errorf("an unknown filter: %v", err)
	}
}

// handling decides on patches by what is in them, and counts nothing.
type handling struct{}

func (handling) Ready() error { return nil }

func (handling) Swept(context.Context, patches.Sweep) error { return nil }

func (handling) Handle(_ context.Context, group []patches.Patch) ([]patches.Verdict, error) {
	verdicts := make([]patches.Verdict, len(group))
	for i, p := range group {
		verdicts[i].Outcome = patches.Installed
		if string(p.Data) == "bad" {
			verdicts[i] = patches.Verdict{Outcome: patches.Failed, Reasons: []string{p.Path + ":1:1: bad"}}
		}
	}
	return verdicts, nil
}

// watched is the service with one drop directory that is watched.
func watched(t *testing.T) (l *Local, path string) {
	t.Helper()
	l, path = stocked(t), t.TempDir()
	l.Now = time.Now
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := patches.Config{
		Name: "drop", Path: path, AfterApply: patches.Rename, MaxSize: 1 << 20,
		Settle: 10 * time.Millisecond, Rescan: time.Hour, StartWait: 50 * time.Millisecond,
	}
	dir := patches.New(cfg, handling{}, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- dir.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	if _, _, err := dir.Look(t.Context(), func(patches.Status) bool { return true }); err != nil { // its status is there then
		t.Fatal(err)
	}
	l.Directories = func() []Directory {
		return []Directory{{Config: cfg, Watching: dir.Status, Progress: dir.Progress, Look: dir.Look}}
	}
	return l, path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func TestLook(t *testing.T) {
	l, path := watched(t)
	client := over(t, l)
	write(t, path+"/good.yaml", "good")
	write(t, path+"/wrong.yaml", "bad")
	w, err := os.OpenFile(filepath.Join(path, "open.yaml"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	looked, err := client.Look(t.Context(), Wanted{Places: []Place{{Dir: "drop"}, {Dir: "drop", Path: "never.yaml"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range looked.Seen {
		if s.Path == "good.yaml" || s.Path == "wrong.yaml" { // unless they were applied before the question
			continue
		}
		got = append(got, s.Path+" "+s.Outcome)
	}
	if want := []string{"never.yaml ", "open.yaml waiting"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	write(t, path+"/wrong.yaml.failed", "good")
	looked, err = client.Look(t.Context(), Wanted{Places: []Place{{"drop", "wrong.yaml"}}, Retry: true, Wait: true})
	if err != nil || len(looked.Seen) != 1 {
		t.Fatalf("tried again: %+v, %v", looked, err)
	}
	if _, err := os.Stat(path + "/wrong.yaml.installed"); err != nil { // perhaps before the question
		t.Errorf("tried again: %+v, %v", looked, err)
	}
	if p, err := client.Progress(t.Context()); err != nil || p.Done > p.All {
		t.Errorf("%d of %d are done, %v", p.Done, p.All, err)
	}
	if _, err = client.Look(t.Context(), Wanted{Places: []Place{{Dir: "other"}}}); err == nil {
		t.Error("there is a directory that there is not")
	}
}

func TestStatus(t *testing.T) {
	l, path := watched(t)
	l.Backend = "memory"
	running := Daemon{PID: 7, Ready: true, Degraded: []string{}}
	l.Daemon = func() Daemon { return running }
	client := over(t, l)
	ask := func() Status {
		s, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := ask()
	if !s.Well || len(s.Problems) > 0 || s.Daemon.PID != 7 || len(s.Drops) != 1 || s.Drops[0].State != "ok" || s.Drops[0].Mode != "rename" || !s.Drops[0].Watched {
		t.Errorf("at rest: %+v", s)
	}
	if s.Store.Tokens[Active] != 1 || s.Store.Entries != 2 || len(s.Store.Digest) != 64 {
		t.Errorf("the store: %+v", s.Store)
	}
	if len(s.Failures) != 1 || s.Failures[0].Path != "b.yaml" || s.Failures[0].Reason != "one\ntwo" {
		t.Errorf("last failures: %+v", s.Failures)
	}
	write(t, path+"/x.yaml.failed", "x")
	write(t, path+"/x.yaml.failed.reason", "x.yaml:1:1: why\n")
	running.Ready = false
	s = ask()
	if s.Well || len(s.Problems) != 2 || s.Drops[0].FailedCount != 1 || !reflect.DeepEqual(s.Drops[0].Failed[0].Reasons, []string{"x.yaml:1:1: why"}) {
		t.Errorf("with a failed patch: %+v", s)
	}
	l.Daemon = nil
	if s = ask(); s.Well || s.Daemon != nil {
		t.Errorf("without a daemon: %+v", s)
	}
}

// A failure is told of until its file has another outcome, if it is among the
// latest; one of an order was told to whoever gave it.
func TestLastFailures(t *testing.T) {
	l := stocked(t)
	id := byte(100)
	decide := func(dir, path string, outcome store.Outcome) {
		t.Helper()
		id++
		if err := l.Store.Commit(t.Context(), store.Batch{Entries: []store.Entry{{Patch: store.PatchID{id}, Dir: dir, Path: path, Outcome: outcome}}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		list, err := l.lastFailures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, f := range list {
			got = append(got, f.Dir+"/"+f.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	decide("spool", "c.yaml", store.Failed)
	decide("other", "c.yaml", store.Failed)
	decide(provision.OrderDir, "create.json", store.Failed)
	expect("other/c.yaml", "spool/c.yaml", "spool/b.yaml")
	decide("spool", "c.yaml", store.Installed)
	decide("spool", "b.yaml", store.Skipped)
	expect("other/c.yaml")
	for range 2 * maxFailures {
		id++
		decide("many", store.PatchID{id}.String(), store.Failed)
	}
	if list, err := l.lastFailures(t.Context()); err != nil || len(list) != maxFailures {
		t.Errorf("%d are told of, %v", len(list), err)
	}
	var batch store.Batch
	for i := range maxLooked {
		batch.Entries = append(batch.Entries, store.Entry{Patch: store.PatchID{255, byte(i >> 8), byte(i)}, Dir: "many", Path: "good.yaml", Outcome: store.Installed})
	}
	if err := l.Store.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	expect()
}

// The digest is taken again when the store has changed, or when a grace ends,
// or the clock is set back, and at no other time.
func TestDigests(t *testing.T) {
	l := stocked(t)
	walks := &walked{Store: l.Store}
	var d Digests
	first := d.Of(walks, noon)
	if again := d.Of(walks, noon.Add(time.Hour)); again != first || walks.n != 1 {
		t.Errorf("%s, then %s after %d walks", first, again, walks.n)
	}
	l.add(t, store.Record{Name: store.Name{User: "u", Name: "c"}, Credentials: []store.Credential{{GoodUntil: noon.Add(time.Hour)}}})
	second := d.Of(walks, noon)
	if second == first || walks.n != 2 {
		t.Errorf("%s after a change and %d walks", second, walks.n)
	}
	if third := d.Of(walks, noon.Add(time.Hour)); third == second || walks.n != 3 {
		t.Errorf("%s after a grace has ended and %d walks", third, walks.n)
	}
	if fourth := d.Of(walks, noon); fourth != second {
		t.Errorf("%s when the clock was set back, want %s", fourth, second)
	}
}

type walked struct {
	store.Store

	n int
}

func (w *walked) Walk(visit func(*store.Record, store.Rule)) {
	w.n++
	w.Store.Walk(visit)
}

func TestExpiring(t *testing.T) {
	const day = 24 * time.Hour
	l := stocked(t)
	var records []store.Record
	for i, in := range []time.Duration{day, day + time.Millisecond, 7 * day, 30 * day, 31 * day, 0, -day} {
		records = append(records, store.Record{
			Name: store.Name{User: "e", Name: strconv.Itoa(i)}, Active: true, ExpiresAt: noon.Add(in),
			Credentials: []store.Credential{{Key: [16]byte{99, byte(i)}}},
		})
	}
	l.add(t, records...)
	if got, want := l.Count().Expiring, map[int]int{30: 4, 7: 3, 1: 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
