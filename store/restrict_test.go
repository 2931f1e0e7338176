package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

func TestRestricts(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	name := Name{User: "u", Name: "n"}
	before := Record{
		Name: name, Type: ReadOnly, Audience: DefaultAudience, Active: true, NotBefore: now, ExpiresAt: now.Add(time.Hour), Generation: 2, Revision: 1,
		Credentials: []Credential{{Key: token.Key{1}, Number: 2}, {Key: token.Key{2}, Number: 1, GoodUntil: now}},
	}
	var x Index
	x.Apply(&Batch{Put: []Record{before}, Expect: map[Name]Revision{name: 0}})
	put := func(change func(*Record)) Batch {
		r := before
		r.Credentials = append([]Credential(nil), before.Credentials...)
		change(&r)
		return Batch{Put: []Record{r}, Expect: map[Name]Revision{name: 1}}
	}
	for what, tt := range map[string]struct {
		batch Batch
		want  bool
	}{
		"nothing":          {put(func(*Record) {}), false},
		"another token":    {put(func(r *Record) { r.Name.Name, r.Active = "other", false }), false},
		"description":      {put(func(r *Record) { r.Description = "d" }), false},
		"disabled":         {put(func(r *Record) { r.Active = false }), true},
		"later":            {put(func(r *Record) { r.NotBefore = now.Add(1) }), true},
		"earlier":          {put(func(r *Record) { r.NotBefore = time.Time{} }), false},
		"shorter":          {put(func(r *Record) { r.ExpiresAt = now }), true},
		"longer":           {put(func(r *Record) { r.ExpiresAt = now.Add(2 * time.Hour) }), false},
		"for ever":         {put(func(r *Record) { r.ExpiresAt = time.Time{} }), false},
		"type":             {put(func(r *Record) { r.Type = Custom }), true},
		"audience":         {put(func(r *Record) { r.Audience = "x" }), true},
		"scopes":           {put(func(r *Record) { r.Scopes = []string{"x"} }), true},
		"scope sets":       {put(func(r *Record) { r.ScopeSets = []string{"x"} }), true},
		"addresses":        {put(func(r *Record) { r.AllowedIPs = []netip.Prefix{{}} }), true},
		"other form":       {put(func(r *Record) { r.Credentials[0] = Credential{Key: token.Key{3}, Number: 2} }), false},
		"grace is over":    {put(func(r *Record) { r.Credentials = r.Credentials[:1] }), true},
		"replaced":         {put(func(r *Record) { r.Credentials[0].Number = 3 }), true},
		"added, in grace":  {put(func(r *Record) { r.Credentials[0].GoodUntil = now }), true},
		"grace is longer":  {put(func(r *Record) { r.Credentials[1].GoodUntil = now.Add(1) }), false},
		"grace is shorter": {put(func(r *Record) { r.Credentials[1].GoodUntil = now.Add(-1) }), true},
		"deleted":          {Batch{Delete: []Name{name}}, true},
		"revoked":          {Batch{Marks: []Mark{{MarkID: RevokedID(token.Key{9}, "")}}}, true},
		"blocked":          {Batch{Marks: []Mark{{MarkID: UserRuleID("*"), Value: Rule{Blocked: true}.Value()}}}, true},
		"unblocked":        {Batch{Marks: []Mark{{MarkID: UserRuleID("*"), Value: Rule{}.Value()}}}, false},
		"once":             {Batch{Marks: []Mark{{MarkID: OnceID("d", "n")}}}, false},
	} {
		if got := x.Restricts(&tt.batch); got != tt.want {
			t.Errorf("%s: Restricts = %v", what, got)
		}
	}
}
