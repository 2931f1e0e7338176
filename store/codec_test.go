package store

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tokendrop/tokendrop/store/token"
)

func fullRecord() Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	return Record{
		Name:        Name{User: "/users/root", Name: "test"},
		Description: "d", Type: Custom, Scopes: []string{"a", "b"}, ScopeSets: []string{"s"},
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Audience: "admin",
		Labels: []Label{{"k", "v"}, {"l", ""}}, Active: false,
		NotBefore: at, ExpiresAt: at.Add(time.Hour), IssuedAt: at, CreatedAt: at, UpdatedAt: at,
		Generation: 3, Source: Source{"spool", "x.yaml"}, ID: 7, Revision: 9,
		Credentials: []Credential{
			{Key: token.Key{1}, Digest: token.DigestOf([32]byte{2}), IssuedAt: at, GoodUntil: at, Number: 2},
			{Key: token.Key{3}, Digest: token.DigestOf([32]byte{4}), Number: 3},
			{
				Key: token.Key{5}, Digest: token.DigestOf([32]byte{6}), Pepper: token.PepperID{7}, Opaque: true, IssuedAt: at, GoodUntil: at, Number: 1,
				Extra: &Extra{Former: token.Key{8}, Sealed: []byte("sealed")},
			},
			{Key: token.Key{9}, Number: 2, IssuedAt: at, Extra: &Extra{Imported: imported()}},
		},
	}
}

func fullUses() Uses {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	return Uses{
		Gone: Use{At: at, IP: netip.MustParseAddr("2001:db8::1"), Count: 4},
		Credentials: []CredentialUse{
			{Number: 3, Use: Use{At: at, IP: netip.MustParseAddr("192.0.2.1"), Count: 1 << 40}},
			{Number: 4, Use: Use{At: at, Count: 1}},
		},
	}
}

// imported is what another product kept of a token.
func imported() token.ImportedDigest {
	return token.HMACSHA512.Digest("strapi", "0123456789abcdef0123456789abcdef", []byte("salt"))
}

func fullEntry() Entry {
	return Entry{
		Patch: PatchID{7}, ID: 4, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Dir: "d", Path: "p",
		Outcome: Failed, Reasons: []string{"one", "two"}, SHA256: [32]byte{1}, Changed: true, Author: "root",
		Changes: []Change{
			{Action: "create", Key: token.Key{1}, Name: Name{User: "u", Name: "n"}, Result: Created},
			{Action: "delete", Result: Deleted},
			{},
		},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	r := fullRecord()
	// A field that is added to a type and forgotten in fullRecord or in the
	// codec shows here.
	assertNoZeroField(t, reflect.ValueOf(r), "Active")
	assertNoZeroField(t, reflect.ValueOf(r.Credentials[2]))
	got, err := DecodeRecord(r.Name, AppendRecord(nil, &r))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("record: %v\n got %+v\nwant %+v", err, got, r)
	}
	m := Mark{MarkID: OnceID("d", "n"), Value: "v", Revision: 3}
	assertNoZeroField(t, reflect.ValueOf(m))
	if got, err := DecodeMark(m.MarkID, AppendMark(nil, &m)); err != nil || got != m {
		t.Errorf("mark: %v\n got %+v\nwant %+v", err, got, m)
	}
	u := fullUses()
	if got, err := DecodeUses(AppendUses(nil, &u)); err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("uses: %v\n got %+v\nwant %+v", err, got, u)
	}
	e := fullEntry()
	assertNoZeroField(t, reflect.ValueOf(e))
	gotEntry, err := DecodeEntry(e.Patch, AppendEntry(nil, &e))
	if err != nil || !reflect.DeepEqual(gotEntry, e) {
		t.Errorf("entry: %v\n got %+v\nwant %+v", err, gotEntry, e)
	}
}

// Times that are stored by what they differ from the creation stay what they
// are, on both sides of it and where either is absent, and so does an audience
// beside the default.
func TestCodecDefaults(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	epoch := time.UnixMilli(0).UTC()
	times := []time.Time{{}, at, at.Add(-time.Millisecond), at.Add(time.Hour), epoch, epoch.Add(-time.Millisecond)}
	for _, created := range times {
		for i, one := range times {
			other := times[(i+1)%len(times)]
			r := record("n", 1, 2)
			r.CreatedAt, r.IssuedAt, r.UpdatedAt = created, one, other
			r.Credentials[0].IssuedAt, r.Credentials[1].IssuedAt = one, other
			r.Audience = []string{"", DefaultAudience, "admin"}[i%3]
			if got, err := DecodeRecord(r.Name, AppendRecord(nil, &r)); err != nil || !reflect.DeepEqual(got, r) {
				t.Errorf("created %v, issued %v, updated %v: %v\n got %+v\nwant %+v", created, one, other, err, got, r)
			}
		}
	}
}

// What few credentials have takes no place in the rows of the others.
func TestCodecPlainCredentialIsSmall(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	plain := Credential{Key: token.Key{1}, Digest: token.DigestOf([32]byte{2}), IssuedAt: at}
	if n := len(appendCredential(nil, &plain, &Record{CreatedAt: at})); n != 1+1+16+1+1+32 {
		t.Errorf("a plain credential takes %d bytes", n)
	}
}

// A credential has a digest or an imported one, and each of its parts is whole.
func TestDecodeRefusesDamagedCredentials(t *testing.T) {
	both := encoder{}
	both.element(1, make([]byte, 16))
	both.element(2, make([]byte, 32))
	both.text(7, imported().String())
	none := encoder{}
	none.element(1, make([]byte, 16))
	for name, e := range map[string]encoder{"both digests": both, "no digest": none} {
		if err := decodeCredential(string(e.b), &Record{}, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for number, value := range map[protowire.Number][]byte{1: {1}, 2: {1}, 5: {1}, 7: []byte("hmac-sha512:x:00"), 8: {1}, 11: {1}} {
		e := encoder{}
		e.element(1, make([]byte, 16))
		e.element(2, make([]byte, 32))
		e.element(number, value)
		if err := decodeCredential(string(e.b), &Record{}, nil); err == nil {
			t.Errorf("field %d is damaged, and accepted", number)
		}
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

func TestDecodeMarkRefusesDamage(t *testing.T) {
	m := Mark{MarkID: RevokedID(token.Key{1}, ""), Value: "v", Revision: 3}
	whole := AppendMark(nil, &m)
	unknown := encoder{append([]byte(nil), whole...)}
	unknown.number(60, 1)
	for name, tt := range map[string]struct {
		id  MarkID
		row []byte
	}{
		"kind not known":  {MarkID{255, "x"}, whole},
		"no kind":         {MarkID{0, "x"}, whole},
		"field not known": {m.MarkID, unknown.b},
		"cut":             {m.MarkID, whole[:len(whole)-1]},
		"no revision":     {m.MarkID, nil}, // it would count as absent
	} {
		if _, err := DecodeMark(tt.id, tt.row); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r, e := fullRecord(), fullEntry()
	f.Add(AppendRecord(nil, &r))
	f.Add(AppendEntry(nil, &e))
	u := fullUses()
	f.Add(AppendMark(nil, &Mark{Value: "v", Revision: 3}))
	f.Add(AppendUses(nil, &u))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(Name{}, b); err == nil {
			again, err := DecodeRecord(Name{}, AppendRecord(nil, &r))
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("a decoded record comes back as another: %v\n got %+v\nwant %+v", err, again, r)
			}
		}
		if u, err := DecodeUses(b); err == nil {
			if again, err := DecodeUses(AppendUses(nil, &u)); err != nil || !reflect.DeepEqual(again, u) {
				t.Errorf("decoded uses come back as others: %v\n got %+v\nwant %+v", err, again, u)
			}
		}
		_, _ = DecodeEntry(PatchID{}, b)
		id := OnceID("d", "n")
		if m, err := DecodeMark(id, b); err == nil {
			if again, err := DecodeMark(id, AppendMark(nil, &m)); err != nil || again != m {
				t.Errorf("mark %+v comes back as %+v, %v", m, again, err)
			}
		}
	})
}
