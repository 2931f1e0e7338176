package provision

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// The samples are written as a manifest should be that a machine may cut off:
// in brackets, so that a part of it is no manifest, or, within an entry, with
// what restricts a token before what names it, and what names it in quotes or
// before its digest, so that a part of an entry is refused or grants no more;
// and what takes away before what gives.
// A cut of a manifest that is written in another order can be a manifest that
// grants more (TestACutCanGrantMore): what protects from that is that a patch
// is not read before it is whole (SPEC section 3, Settling), or a signature.

// sample is a manifest of the samples with what it does.
type sample struct {
	name   string
	data   []byte
	worlds []*damaged
	whole  *Manifest
	leaves []leaf
}

// damaged is a store, and what a sample makes of it.
type damaged struct {
	*world
	want *store.Draft // nil if the sample cannot be applied to it
}

const damagedBase = `
action: create
tokens:
- {user: anna, name: old, key: 6fbeb92f-9ad8-40ef-afb9-05beb56659e2, digest: "sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=", description: x}
- {user: bob, name: one, key: 11111111-1111-4111-8111-111111111111, digest: "sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=", active: false, type: read-only, expires_at: 2026-09-01}
`

func samples(t *testing.T) []*sample {
	t.Helper()
	files, _ := filepath.Glob("testdata/samples/*")
	if len(files) != 10 {
		t.Fatalf("%d samples, want 10", len(files))
	}
	var all []*sample
	for _, path := range files {
		s := &sample{name: filepath.Base(path), data: read(t, path)}
		var problems []Problem
		if s.whole, problems = (Decoder{}).Decode(path, s.data); len(problems) > 0 {
			t.Fatal(lines(path, problems))
		}
		s.leaves = leavesOf(s.whole)
		used := false
		for _, base := range []string{"", damagedBase} {
			d := &damaged{world: newWorld(t)}
			if base != "" {
				d.must(base)
			}
			d.want = d.plan(s.whole)
			used = used || d.want != nil
			s.worlds = append(s.worlds, d)
		}
		if !used {
			t.Fatalf("%s cannot be applied", s.name)
		}
		all = append(all, s)
	}
	return all
}

// plan is what a manifest makes of the store, nil if it is refused.
func (d *damaged) plan(m *Manifest) *store.Draft {
	draft := store.NewDraft(&d.index)
	_, problems := Plan(m, draft, Env{
		Now: d.now, Random: rand.NewChaCha8([32]byte{}), Source: store.Source{Dir: "spool", Path: "x"},
		ScopeSets: map[string][]string{"ide-plugins": {"a.*"}},
	})
	if len(problems) > 0 {
		return nil
	}
	return draft
}

// TestCuts cuts each sample at every byte: nothing that is left grants more
// than the whole, and in brackets nothing that is left is a manifest.
func TestCuts(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			brackets := strings.HasPrefix(s.name, "flow") || filepath.Ext(s.name) == ".json"
			end := len(strings.TrimSpace(string(s.data)))
			accepted := 0
			for n := range end {
				m := s.damage(t, s.data[:n])
				if m == nil || m.empty() {
					continue
				}
				accepted++
				if brackets {
					t.Errorf("cut to %d bytes it is a manifest", n)
				}
				s.grantsNoMore(t, m, s.data[:n])
			}
			t.Logf("%d of %d cuts are manifests", accepted, end)
		})
	}
}

// TestFlips flips each bit of each byte: what is still a manifest says the same
// but for the one value in which the byte lies.
func TestFlips(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			accepted := 0
			for n := range s.data {
				for bit := range 8 {
					data := slices.Clone(s.data)
					data[n] ^= 1 << bit
					m := s.damage(t, data)
					if m == nil {
						continue
					}
					accepted++
					s.differsInOneValue(t, m, data, n)
				}
			}
			t.Logf("%d of %d flips are manifests", accepted, 8*len(s.data))
		})
	}
}

// damage decodes and plans a manifest that has been damaged. It returns nil
// for one that is refused.
func (s *sample) damage(t *testing.T, data []byte) *Manifest {
	t.Helper()
	m, problems := Decoder{}.Decode(s.name, data)
	if (m == nil) != (len(problems) > 0) {
		t.Errorf("manifest %v with problems %v", m, problems)
	}
	if m != nil {
		for _, d := range s.worlds {
			d.plan(m)
		}
	}
	return m
}

// grantsNoMore plans a damaged manifest, and compares every token that it
// changes with what it was and what the whole manifest makes of it, and every
// user that it lets in.
func (s *sample) grantsNoMore(t *testing.T, m *Manifest, data []byte) {
	t.Helper()
	for _, d := range s.worlds {
		got := d.plan(m)
		if d.want == nil || got == nil {
			continue
		}
		batch := got.Batch(nil)
		for i := range batch.Put {
			r := &batch.Put[i]
			whole, _ := d.want.ByName(r.Name)
			before, _ := d.index.ByName(r.Name)
			if why := broader(r, &whole); why != "" && broader(r, &before) != "" {
				t.Errorf("%s is %s, from\n%s", r.Name, why, data)
			}
		}
	}
	for _, u := range m.Users {
		u.Pos = Pos{}
		if !u.Blocked && !slices.ContainsFunc(s.whole.Users, func(o UserEntry) bool { return o.User == u.User && !o.Blocked }) {
			t.Errorf("%q is let in, from\n%s", u.User, data)
		}
	}
}

// broader tells in what a token is good for more than a limit; nothing if it is
// good for as much at the most.
func broader(r, limit *store.Record) string {
	switch {
	case limit.Name != r.Name:
		return "another token"
	case slices.ContainsFunc(r.Credentials, func(c store.Credential) bool {
		return !slices.ContainsFunc(limit.Credentials, func(l store.Credential) bool { return sameCredential(c, l) })
	}):
		return "good with another credential"
	case r.Active && !limit.Active:
		return "active"
	case !limit.ExpiresAt.IsZero() && (r.ExpiresAt.IsZero() || r.ExpiresAt.After(limit.ExpiresAt)):
		return "good for longer"
	case r.NotBefore.Before(limit.NotBefore):
		return "good earlier"
	case limit.Type != store.FullAccess && r.Type != limit.Type, r.Audience != limit.Audience:
		return "of another type or audience"
	case r.Type == limit.Type && (beyond(r.Scopes, limit.Scopes) || beyond(r.ScopeSets, limit.ScopeSets)):
		return "good for more scopes"
	case len(limit.AllowedIPs) > 0 && (len(r.AllowedIPs) == 0 || slices.ContainsFunc(r.AllowedIPs, func(p netip.Prefix) bool { return !slices.Contains(limit.AllowedIPs, p) })):
		return "good from more addresses"
	}
	return ""
}

func beyond(items, limit []string) bool {
	return slices.ContainsFunc(items, func(s string) bool { return !slices.Contains(limit, s) })
}

func sameCredential(a, b store.Credential) bool {
	return a.Key == b.Key && reflect.DeepEqual(a.Digest, b.Digest) && (b.GoodUntil.IsZero() || !a.GoodUntil.IsZero() && !a.GoodUntil.After(b.GoodUntil))
}

// leaf is a value that a manifest states, and where.
type leaf struct {
	path, value string
	pos         Pos // zero where the manifest does not say
}

func leavesOf(m *Manifest) []leaf {
	var all []leaf
	addLeaves(reflect.ValueOf(*m), "", &all)
	return all
}

// addLeaves lists the values under v. The keys and sources of an entry are one
// value, because a source may be what states the key.
func addLeaves(v reflect.Value, path string, all *[]leaf) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case f.Type() == reflect.TypeFor[Pos]() || name == "Literals":
		case name == "Key" || name == "Sources":
			*all = append(*all, leaf{path: path + "credentials", value: fmt.Sprint(placelessCopy(f))})
		case v.Type().Field(i).Anonymous:
			addLeaves(f, path, all)
		case f.Type() == reflect.TypeFor[Stated[Set]]() || f.Type() == reflect.TypeFor[Stated[Selector]]():
			addLeaves(f.FieldByName("Value"), path+name+".", all)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for i := range f.Len() {
				addLeaves(f.Index(i), fmt.Sprintf("%s%s[%d].", path, name, i), all)
			}
		default:
			l := leaf{path: path + name, value: fmt.Sprint(placelessCopy(f))}
			if f.Kind() == reflect.Struct && f.FieldByName("OK").IsValid() {
				l.pos, _ = f.FieldByName("Pos").Interface().(Pos)
			}
			*all = append(*all, l)
		}
	}
}

// placelessCopy is a value without the places in it.
func placelessCopy(v reflect.Value) any {
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	if v.Kind() == reflect.Slice {
		c.Elem().Set(reflect.AppendSlice(reflect.Zero(v.Type()), v))
	}
	placeless(c)
	return c.Elem().Interface()
}

// differsInOneValue compares a manifest of which the byte at off was damaged
// with the whole one.
func (s *sample) differsInOneValue(t *testing.T, m *Manifest, data []byte, off int) {
	t.Helper()
	got := leavesOf(m)
	different := map[string]leaf{}
	for i, l := range s.leaves {
		if i >= len(got) || got[i].path != l.path {
			t.Errorf("with byte %d damaged there is another entry in\n%s", off, data)
			return
		}
		if got[i].value != l.value {
			different[l.path] = l
		}
	}
	if len(different) > 1 || len(got) != len(s.leaves) {
		t.Errorf("with byte %d damaged, these are different: %v in\n%s", off, different, data)
		return
	}
	at := newLocator(string(s.data)).at(off)
	for _, l := range different {
		for _, other := range s.leaves {
			if l.pos != (Pos{}) && (before(at, l.pos) || before(l.pos, other.pos) && before(other.pos, at)) {
				t.Errorf("byte %d is not in %s, which is different in\n%s", off, l.path, data)
				return
			}
		}
	}
}

func before(a, b Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col }

// What the order of the samples is for, and the waiting for whole patches: with
// the expiry behind the digest, a cut of valid YAML and TOML says for ever.
func TestACutCanGrantMore(t *testing.T) {
	for name, data := range map[string]string{
		"x.yaml": "tokens:\n- action: create\n  user: a\n  name: b\n  key: " + realKey + "\n  digest: " + realDigest + "\n",
		"x.toml": "[[tokens]]\naction = 'create'\nuser = 'a'\nname = 'b'\nkey = '" + realKey + "'\ndigest = '" + realDigest + "'\n",
	} {
		rest := map[string]string{"x.yaml": "  expires_at: 2027-12-31\n", "x.toml": "expires_at = 2027-12-31\n"}[name]
		for _, text := range []string{data, data + rest} {
			if _, problems := (Decoder{}).Decode(name, []byte(text)); len(problems) > 0 {
				t.Error(lines(name, problems))
			}
		}
	}
}
