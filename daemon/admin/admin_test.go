package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"maps"
	"net"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/memstore"
	"github.com/tokendrop/tokendrop/store/token"
)

const tokenText = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// stocked is a service over a store with three tokens and two entries.
func stocked(t *testing.T) *Local {
	t.Helper()
	tok, err := token.Parse(tokenText)
	if err != nil {
		t.Fatal(err)
	}
	st, err := memstore.Open(nil, memstore.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	b := store.Batch{Expect: map[store.Name]store.Revision{}, Entries: []store.Entry{
		{Patch: store.PatchID{1}, Time: noon, Dir: "spool", Path: "a.yaml", Outcome: store.Installed, Changed: true, Changes: []store.Change{
			{Action: "delete", Name: store.Name{User: "u", Name: "gone"}, Result: store.Unchanged},
		}},
		{Patch: store.PatchID{2}, Time: noon, Dir: "spool", Path: "b.yaml", Outcome: store.Failed, Reasons: []string{"one", "two"}},
	}}
	for i, r := range []store.Record{
		{Name: store.Name{User: "u", Name: "b"}, Active: true, Credentials: []store.Credential{{Key: tok.Key, Digest: tok.Digest()}}},
		{Name: store.Name{User: "u", Name: "a"}, Active: false, ExpiresAt: noon},
		{Name: store.Name{User: "t", Name: "z"}, Active: true, ExpiresAt: noon},
	} {
		r.Type, r.Audience, r.CreatedAt, r.Generation = store.FullAccess, "api", noon, 1
		if r.Credentials == nil {
			r.Credentials = []store.Credential{{Key: token.Key{byte(i + 1)}}}
		}
		b.Expect[r.Name] = 0
		b.Put = append(b.Put, r)
	}
	if err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	gate := verify.DefaultGate(verify.DefaultName)
	rules := &verify.Rules{Gates: map[string]*verify.Gate{gate.Name: &gate}}
	return &Local{Store: st, Rules: func() *verify.Rules { return rules }, Uses: st, Now: now, Applier: &provision.Applier{Store: st, Now: now, Random: rand.Reader}}
}

// all collects a list, or the error that ended it.
func all[T any](list iter.Seq2[T, error]) ([]T, error) {
	got := []T{}
	for one, err := range list {
		if err != nil {
			return nil, err
		}
		got = append(got, one)
	}
	return got, nil
}

// over is the same service as a client sees it through the socket.
func over(t *testing.T, s Service) *Client {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no daemon, and so no admin socket")
	}
	dir, err := os.MkdirTemp("", "td") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(s, nil)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return NewClient(dir + "/sock")
}

// What the socket answers is what the store says.
func TestClientIsTheService(t *testing.T) {
	local := stocked(t)
	client := over(t, local)
	ctx := context.Background()
	for name, ask := range map[string]func(Service) (any, error){
		"tokens":  func(s Service) (any, error) { return all(s.Tokens(ctx, TokenFilter{})) },
		"history": func(s Service) (any, error) { return all(s.History(ctx, EntryFilter{})) },
		"yes":     func(s Service) (any, error) { return s.Verify(ctx, Question{Token: tokenText, Gate: "default"}) },
		"no": func(s Service) (any, error) {
			return s.Verify(ctx, Question{Token: "nonsense", Gate: "default", Method: "GET", URI: "/a", IP: netip.MustParseAddr("192.0.2.1")})
		},
		"plan": func(s Service) (any, error) {
			return s.Plan(ctx, []Manifest{
				{Dir: "spool", Path: "c.yaml", Data: []byte("tokens:\n- {action: update, user: u, name: b, set: {active: false}}\n")},
				{Dir: "spool", Path: "d.yaml", Data: []byte("tokens:\n- {action: enable, user: u, name: c}\n")},
				{Dir: "spool", Path: "e.json"},
			})
		},
	} {
		want, err := ask(local)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := ask(client)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, want)
		}
	}
}

// A plan says what would change, or why it would fail, and changes nothing.
func TestPlan(t *testing.T) {
	local := stocked(t)
	before, err := all(local.Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	plans, err := local.Plan(t.Context(), []Manifest{
		{Path: "c.yaml", Data: []byte("tokens:\n- {action: update, user: u, name: b, set: {active: false}}\n")},
		{Path: "d.yaml", Data: []byte("tokens:\n- {action: enable, user: u, name: c}\n")},
		{Path: "e.json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plans)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"outcome":"installed","problems":[],"steps":[{"action":"update","key":"9201cd9b-4e62-415e-b523-e198dd7e4756","user":"u","name":"b",` +
		`"result":"updated","changes":[{"field":"active","old":"true","new":"false"}]}]},` +
		`{"outcome":"failed","problems":[{"line":2,"column":3,"message":"there is no such token; \"create\" or \"ensure\" makes one, and \"tokendrop list\" shows what there is"}],"steps":[]},` +
		`{"outcome":"skipped","problems":[],"steps":[]}]`
	if got := string(text); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if after, err := all(local.Tokens(t.Context(), TokenFilter{})); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("a plan has changed the store: %v, %+v", err, after)
	}
}

// SPEC section 7: the first state that holds, in this order.
func TestTokens(t *testing.T) {
	tokens, err := all(stocked(t).Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tok := range tokens {
		got = append(got, tok.User+"/"+tok.Name+" "+string(tok.State))
	}
	if want := []string{"t/z expired", "u/a disabled", "u/b active"}; !slices.Equal(got, want) {
		t.Errorf("tokens %q, want %q", got, want)
	}
}

func TestFieldsOfList(t *testing.T) {
	tokens, err := all(stocked(t).Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	reencode(t, tokens[2], &fields)
	for name, want := range map[string]string{
		"key": `"9201cd9b-4e62-415e-b523-e198dd7e4756"`, "user": `"u"`, "name": `"b"`, "description": `""`, "type": `"full-access"`,
		"scopes": `[]`, "scope_sets": `[]`, "allowed_ips": `[]`, "audience": `"api"`, "labels": `{}`, "active": `true`, "state": `"active"`,
		"not_before": `null`, "expires_at": `null`, "created_at": `"2026-06-01T12:00:00Z"`, "updated_at": `null`, "issued_at": `null`,
		"generation": `1`, "last_used_at": `null`, "last_used_ip": `null`, "use_count": `0`, "source": `"/"`,
		"credentials": `[{"key":"9201cd9b-4e62-415e-b523-e198dd7e4756","issued_at":null,"good_until":null,"last_used_at":null,"use_count":0}]`,
	} {
		if got := string(fields[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		delete(fields, name)
	}
	if len(fields) > 0 {
		t.Errorf("further fields: %v", fields)
	}
}

// What is told of uses: of the whole token, credentials that are gone included,
// and of each that it has.
func TestFieldsOfUses(t *testing.T) {
	local := stocked(t)
	rec, _ := local.Store.ByName(store.Name{User: "u", Name: "b"})
	var used []store.Used
	for i, address := range []string{"192.0.2.1", "2001:db8::1"} {
		used = append(used, store.Used{Token: rec.ID, Name: rec.Name, CredentialUse: store.CredentialUse{
			Number: uint64(i), // the token has credential 0 only
			Use:    store.Use{At: noon.Add(time.Duration(i) * time.Hour), IP: netip.MustParseAddr(address), Count: 2},
		}})
	}
	if err := local.Store.RecordUses(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	tokens, err := all(over(t, local).Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	var fields, credential map[string]json.RawMessage
	reencode(t, tokens[2], &fields)
	reencode(t, tokens[2].Credentials[0], &credential)
	for name, want := range map[string]string{
		"last_used_at": `"2026-06-01T13:00:00Z"`, "last_used_ip": `"2001:db8::1"`, "use_count": `4`,
	} {
		if got := string(fields[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"last_used_at": `"2026-06-01T12:00:00Z"`, "use_count": `2`} {
		if got := string(credential[name]); got != want {
			t.Errorf("%s of the credential is %s, want %s", name, got, want)
		}
	}
}

func TestFieldsOfHistory(t *testing.T) {
	entries, err := all(stocked(t).History(t.Context(), EntryFilter{}))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	var fields map[string]json.RawMessage
	reencode(t, entries[0], &fields)
	for name, want := range map[string]string{
		"id": `1`, "time": `"2026-06-01T12:00:00Z"`, "dir": `"spool"`, "path": `"a.yaml"`, "outcome": `"installed"`, "reason": `""`,
		"sha256": `""`, "changed": `true`, "author": `""`,
		"entries": `[{"action":"delete","key":null,"user":"u","name":"gone","result":"unchanged"}]`,
	} {
		if got := string(fields[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		delete(fields, name)
	}
	if len(fields) > 0 {
		t.Errorf("further fields: %v", fields)
	}
	if entries[1].Reason != "one\ntwo" || entries[1].Outcome != "failed" {
		t.Errorf("the second entry: %+v", entries[1])
	}
}

func reencode(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is counted is what the list says.
func TestCount(t *testing.T) {
	l := stocked(t)
	blocked := store.Mark{MarkID: store.UserRuleID("t"), Value: store.Rule{Blocked: true}.Value()}
	b := store.Batch{
		Marks: []store.Mark{blocked}, ExpectMarks: map[store.MarkID]store.Revision{blocked.MarkID: 0},
		Entries: []store.Entry{{Patch: store.PatchID{9}, Time: noon, Outcome: store.Installed}},
	}
	if err := l.Store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := map[State]int{Active: 1, Disabled: 1, Expired: 0, Blocked: 1}
	if got := l.Count().States; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	list, err := all(l.Tokens(t.Context(), TokenFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range list {
		want[tok.State]--
	}
	for state, n := range want {
		if n != 0 {
			t.Errorf("the list has %d fewer that are %s", n, state)
		}
	}
}
