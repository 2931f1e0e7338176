package provision

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// What the good manifest means, beside meaning the same in every syntax.
func TestFields(t *testing.T) {
	m := decodeGood(t, "testdata/good/fields.yaml")
	if m.Once != stated("rotate 2027-01") {
		t.Errorf("once: %+v", m.Once)
	}
	if want := []UserEntry{{User: "ci-*/**", Blocked: true, Reason: "left"}, {User: "ci-good"}, {User: "carol", Blocked: true}}; !reflect.DeepEqual(m.Users, want) {
		t.Errorf("users: %+v", m.Users)
	}
	var networks []netip.Prefix
	for _, text := range []string{"0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/32", "192.0.2.7/32", "::1/128", "2001:db8::/32"} {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	want := Attributes{
		Type:       stated(store.Custom),
		Scopes:     stated([]string{"*", "api::article.*", "find/A-Z_0.9"}),
		ScopeSets:  stated([]string{"a.b", "ide-plugins"}),
		AllowedIPs: stated(networks),
		Audience:   stated("ci/build"),
		Labels:     stated([]store.Label{{Key: "1", Value: "2"}, {Key: "app.kubernetes.io"}, {Key: "on", Value: "off"}, {Key: "team", Value: "grüße"}}),
	}
	if got := m.Entries[0].Attributes; !reflect.DeepEqual(got, want) {
		t.Errorf("attributes:\n got %+v\nwant %+v", got, want)
	}
	empty := Attributes{Type: stated(store.ReadOnly), Scopes: stated[[]string](nil), AllowedIPs: stated[[]netip.Prefix](nil), Labels: stated[[]store.Label](nil)}
	if got := m.Entries[1].Attributes; !reflect.DeepEqual(got, empty) {
		t.Errorf("empty lists:\n got %+v\nwant %+v", got, empty)
	}
	cleared := Attributes{
		Type: stated(store.Custom), Scopes: stated([]string{"a", "b"}), ScopeSets: stated[[]string](nil), Audience: stated(store.DefaultAudience),
		AllowedIPs: empty.AllowedIPs, Labels: empty.Labels,
	}
	if got := m.Entries[6].Set.Value.Attributes; !reflect.DeepEqual(got, cleared) {
		t.Errorf("set:\n got %+v\nwant %+v", got, cleared)
	}
}

func stated[T any](value T) Stated[T] { return Stated[T]{Value: value, OK: true} }

// Which tokens the entries of the good manifest mean, and what replaces their
// credentials.
func TestSelectors(t *testing.T) {
	m := decodeGood(t, "testdata/good/fields.yaml")
	key, zero := mustKey(t, realKey), mustKey(t, "00000000-0000-4000-8000-000000000000")
	alice := Selector{User: stated("alice"), Name: stated("t")}
	keyed := Selector{Key: stated(key)}
	all := Selector{User: stated("alice")}
	for i, want := range map[int]Entry{
		6:  {Action: Update, Keys: stated([]token.Key{key, zero}), Expect: stated(2)},
		7:  {Action: Update, Selector: all, All: stated(true), Expect: stated(0)},
		8:  {Action: Delete, Keys: stated([]token.Key{key})},
		9:  {Action: Enable, Selector: all, All: stated(true)},
		10: {Action: Disable, Selector: all, All: stated(true), Expect: stated(3)},
		11: {Action: Revoke, Keys: stated([]token.Key{key})},
		12: {Action: Revoke, Selector: all, All: stated(true)},
		13: {Action: Revoke, Selector: alice},
		14: {Action: Revoke, Selector: keyed, Aliases: []token.Key{mustKey(t, "06244f40-5eb5-fbe6-258d-bc1e78ab6962")}},
		15: {Action: Revoke, Selector: Selector{Key: stated(key), User: alice.User, Name: alice.Name}},
		16: {
			Action: Regenerate, Selector: alice, Sources: []Source{{Generate: true}},
			Grace: stated(36 * time.Hour), Generation: stated(uint64(7)), OlderThan: stated(90 * oneDay),
		},
		4: {Action: Copy, Selector: Selector{User: stated("bob"), Name: stated("copied")}, Sources: []Source{{Generate: true}}, From: stated(keyed)},
	} {
		got := m.Entries[i]
		got.Set = Stated[Set]{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("entry %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
	if e := m.Entries[2]; len(e.Sources) != 2 || e.Sources[0].Key != key || e.Sources[1].Key != zero || e.Grace.Value != maxGrace {
		t.Errorf("two credentials: %+v", e.Sources)
	}
	if e := m.Entries[1]; len(e.Sources) != 2 || e.Sources[0].Generate || !e.Sources[1].Generate {
		t.Errorf("one credential that is stated, and one generated: %+v", e.Sources)
	}
	if e := m.Entries[3]; !e.Grace.OK || e.Grace.Value != 0 {
		t.Errorf("no grace: %+v", e.Grace)
	}
}

func mustKey(t *testing.T, text string) token.Key {
	t.Helper()
	key, err := token.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A type without scopes, and scopes without a type, are for the planner to
// judge where the token may have the other one already.
func TestCustomElsewhere(t *testing.T) {
	for _, entry := range []string{
		"action: ensure, user: a, name: b, type: custom",
		"action: ensure, user: a, name: b, type: custom, scopes: []",
		"action: ensure, user: a, name: b, scopes: [x]",
		"action: ensure, user: a, name: b, type: read-only, scopes: [], scope_sets: []",
		"action: copy, user: a, name: b, from: {key: " + realKey + "}, type: custom",
		"action: copy, user: a, name: b, from: {key: " + realKey + "}, scope_sets: [x]",
		"action: update, key: " + realKey + ", set: {type: custom}",
		"action: update, key: " + realKey + ", set: {type: custom, scope_sets: []}",
		"action: update, key: " + realKey + ", set: {scopes: []}",
		"action: create, user: a, name: b, generate: true, type: custom, scopes: [], scope_sets: [x]",
	} {
		decode(t, "tokens: [{"+entry+"}]")
	}
}

func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "192.0.2.7/32": "192.0.2.7/32", "10.0.0.0/8": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "::/0": "::/0",
		"2001:DB8:0::7": "2001:db8::7/128", "2001:db8::/32": "2001:db8::/32", "::192.0.2.7": "::c000:207/128",
		"10.0.0.1/8": "", "::1/64": "", "::ffff:10.0.0.1": "", "::ffff:0:0/96": "", "::ffff:10.0.0.0/104": "", "fe80::1%eth0": "", "fe80::1%": "",
		"1%/8": "", "": "", "/": "", "/8": "", "10": "", "10/8": "", "10.0.0.0/+8": "", "10.0.0.0/-0": "", "10.0.0.0/8/8": "", "0x7f.0.0.1": "", "localhost": "",
		"10.0.0.0\\8": "", "١٠.0.0.0/8": "", "*": "",
	} {
		got, problem := network(text)
		if (problem == "") != (want != "") || want != "" && got.String() != want {
			t.Errorf("%q = %v, %q; want %q", text, got, problem, want)
		}
	}
}

func TestWhole(t *testing.T) {
	for text, want := range map[string]string{
		"0": "", "1": "1", "2147483647": "2147483647", "9223372036854775807": "9223372036854775807", "9223372036854775808": "", "99999999999999999999": "",
		"+1": "", "-1": "", "1.0": "", "1e3": "", "01": "", "1_0": "", "0x1": "", "0o7": "", ".inf": "",
	} {
		m, problems := Decoder{}.Decode("x.yaml", []byte("tokens: [{action: regenerate, key: "+realKey+", generation: "+text+"}]"))
		got := ""
		if m != nil {
			got = fmt.Sprint(m.Entries[0].Generation.Value)
		}
		if got != want || (len(problems) > 0) != (want == "") {
			t.Errorf("%s: %q, %v", text, got, problems)
		}
	}
}

// Every scope has room for its keys, and no action takes a field that is none.
func TestKeysOfScopes(t *testing.T) {
	for _, s := range []*scope{topScope, entryScope, setScope, fromScope, credentialScope, userScope} {
		if len(s.keys) > maxKnown {
			t.Errorf("%d keys: %s", len(s.keys), strings.Join(s.keys, " "))
		}
	}
	for action, keys := range allowedKeys {
		for _, key := range keys {
			if (&fields{scope: entryScope}).index(key) < 0 {
				t.Errorf("%s takes %q, which no entry has", action, key)
			}
		}
	}
	for _, action := range actions {
		if allowedKeys[Action(action)] == nil {
			t.Errorf("%s takes nothing", action)
		}
	}
}
