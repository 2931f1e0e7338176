package store

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

func fullRecord() Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	return Record{
		Name:        Name{User: "/users/root", Name: "test"},
		Description: "d", Type: Custom, Scopes: []string{"a", "b"}, ScopeSets: []string{"s"},
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Audience: "api",
		Labels: []Label{{"k", "v"}, {"l", ""}}, Active: false,
		NotBefore: at, ExpiresAt: at.Add(time.Hour), IssuedAt: at, CreatedAt: at, UpdatedAt: at,
		Generation: 3, Source: Source{"spool", "x.yaml"}, Revision: 9,
		Credentials: []Credential{
			{Key: token.Key{1}, Digest: token.DigestOf([32]byte{2}), IssuedAt: at, GoodUntil: at},
			{Key: token.Key{3}, Digest: token.DigestOf([32]byte{4})},
		},
	}
}

func fullEntry() Entry {
	return Entry{
		Patch: PatchID{7}, ID: 4, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Dir: "d", Path: "p",
		Outcome: Failed, Reasons: []string{"one", "two"}, SHA256: [32]byte{1}, Changed: true, Author: "root",
		Changes: []Change{{Action: "create", Key: token.Key{1}, Name: Name{User: "u", Name: "n"}, Result: Created}},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	r := fullRecord()
	// A field that is added to a type and forgotten in fullRecord or in the
	// codec shows here.
	assertNoZeroField(t, reflect.ValueOf(r), "Active")
	got, err := DecodeRecord(r.Name, AppendRecord(nil, &r))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("record: %v\n got %+v\nwant %+v", err, got, r)
	}
	e := fullEntry()
	assertNoZeroField(t, reflect.ValueOf(e))
	gotEntry, err := DecodeEntry(e.Patch, AppendEntry(nil, &e))
	if err != nil || !reflect.DeepEqual(gotEntry, e) {
		t.Errorf("entry: %v\n got %+v\nwant %+v", err, gotEntry, e)
	}
}

func assertNoZeroField(t *testing.T, v reflect.Value, except ...string) {
	t.Helper()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && (len(except) == 0 || name != except[0]) {
			t.Errorf("the fixture leaves %s.%s at zero", v.Type().Name(), name)
		}
	}
}

// A row of a later version, or a damaged one, is an error: guessing could
// grant more than was meant.
func TestDecodeRefusesDamage(t *testing.T) {
	r := fullRecord()
	whole := AppendRecord(nil, &r)
	unknown := encoder{append([]byte(nil), whole...)}
	unknown.number(60, 1)
	if _, err := DecodeRecord(r.Name, unknown.b); err == nil {
		t.Error("an unknown field was accepted")
	}
	if _, err := DecodeRecord(r.Name, nil); err == nil {
		t.Error("a record without a credential was accepted")
	}
	if _, err := DecodeRecord(r.Name, whole[:len(whole)-1]); err == nil {
		t.Error("a cut record was accepted")
	}
}

func FuzzDecode(f *testing.F) {
	r, e := fullRecord(), fullEntry()
	f.Add(AppendRecord(nil, &r))
	f.Add(AppendEntry(nil, &e))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(Name{}, b); err == nil {
			if _, err := DecodeRecord(Name{}, AppendRecord(nil, &r)); err != nil {
				t.Errorf("a decoded record does not encode: %v", err)
			}
		}
		_, _ = DecodeEntry(PatchID{}, b)
	})
}
