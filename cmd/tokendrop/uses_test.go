package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
	"github.com/tokendrop/tokendrop/store/token"
)

// used asks the gate, which has to say yes, so many times.
func (m *machine) used(text string, times int) {
	m.t.Helper()
	for range times {
		if got := m.verify(text); got[:3] != "200" {
			m.t.Errorf("verify: %s", got)
		}
	}
}

// expectUses looks at what list tells of the only token: how often it was used,
// and each of its credentials.
func (m *machine) expectUses(when string, total uint64, credentials ...uint64) admin.Token {
	m.t.Helper()
	list := m.list()
	if len(list) != 1 {
		m.t.Fatalf("%s: list %+v", when, list)
	}
	t := list[0]
	var counts []uint64
	for _, c := range t.Credentials {
		counts = append(counts, c.UseCount)
		if (c.LastUsedAt == nil) != (c.UseCount == 0) {
			m.t.Errorf("%s: a credential was used %d times, last %v", when, c.UseCount, c.LastUsedAt)
		}
	}
	if t.UseCount != total || (t.LastUsedAt == nil) != (total == 0) || !reflect.DeepEqual(counts, credentials) {
		m.t.Errorf("%s: used %d times, last %v, credentials %v; want %d and %v", when, t.UseCount, t.LastUsedAt, counts, total, credentials)
	}
	return t
}

// SPEC section 5: last use is told at once, by credential, also of two that have
// the same key; it survives a restart, and is counted for a yes of a gate only.
func TestLastUse(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	m.expectUses("unused", 0, 0)
	began := time.Now().Truncate(time.Millisecond)
	m.used(tokenA, 3)
	_ = m.verify(tokenB)
	if _, err := m.run("verify", tokenA); err != nil {
		t.Error(err)
	}
	first := m.expectUses("used", 3, 3)
	if first.LastUsedAt.Before(began) || first.LastUsedAt.After(time.Now()) || first.LastUsedIP != nil {
		t.Errorf("last used %v from %v", first.LastUsedAt, first.LastUsedIP)
	}
	m.install("disable.yaml", edit("disable", ""))
	_ = m.verify(tokenA)
	m.install("enable.yaml", edit("enable", ""))
	m.expectUses("refused", 3, 3)

	old, err := token.Parse(tokenA)
	if err != nil {
		t.Fatal(err)
	}
	next, err := token.Formats{}.GenerateFor(old.Key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m.install("rotate.yaml", edit("regenerate", fmt.Sprintf(", grace: 1h, digest: %q", next.Digest())))
	m.expectUses("rotated", 3, 0, 3)
	m.used(next.Reveal(), 2)
	m.used(tokenA, 1)
	m.expectUses("both used", 6, 2, 4)

	m.stop()
	m.expectUses("stopped", 6, 2, 4)
	m.start()
	m.used(next.Reveal(), 1)
	m.expectUses("started", 7, 3, 4)
	m.install("rename.yaml", edit("update", ", set: {name: a2}"))
	m.expectUses("renamed", 7, 3, 4)
	m.install("delete.yaml", "tokens: [{action: delete, user: /users/root, name: a2}]\n")
	m.install("again.yaml", manifestA)
	m.expectUses("made again", 0, 0)
	if h := m.history(); len(h) != 7 {
		t.Errorf("the ledger has %d entries, want one a patch", len(h))
	}
}

// kill -9 loses uses of the last minute at most, and nothing else.
func TestLastUseAfterKill(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.install("a.yaml", manifestA)
	m.used(tokenA, 2)
	m.stop()
	m.start()
	m.used(tokenA, 5)
	before := m.expectUses("used", 7, 7)
	m.kill()
	m.start()
	after := m.list()[0]
	if after.UseCount < 2 || after.UseCount > 7 || after.LastUsedAt == nil {
		t.Errorf("used %d times, last %v, after 2 stored uses and 5 further ones", after.UseCount, after.LastUsedAt)
	}
	after.UseCount, after.LastUsedAt, after.Credentials = before.UseCount, before.LastUsedAt, before.Credentials
	if !reflect.DeepEqual(after, before) {
		t.Errorf("kill -9 has changed more than uses:\nbefore %+v\nafter  %+v", before, after)
	}
	m.used(tokenA, 1)
}

// Where a gate is told who the client is, last use says so.
func TestLastUseFrom(t *testing.T) {
	m := newMachine(t)
	m.addConfig("[[verify.gates]]\nname = \"default\"\n[[verify.gates]]\nname = \"edge\"\nproxy = \"nginx\"\n")
	m.start()
	m.install("a.yaml", manifestA)
	for _, step := range []struct{ path, want string }{{"/verify/edge", "192.0.2.7"}, {"/verify", ""}} {
		req, err := http.NewRequest(http.MethodGet, "http://tokendrop"+step.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"X-Api-Key": {tokenA}, "X-Forwarded-For": {"198.51.100.1, 192.0.2.7"},
			"X-Original-Method": {"GET"}, "X-Original-Uri": {"/"},
		}
		resp, err := m.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := ""
		if ip := m.list()[0].LastUsedIP; ip != nil {
			got = ip.String()
		}
		if resp.StatusCode != http.StatusOK || got != step.want {
			t.Errorf("%s: %d, last used from %q, want %q", step.path, resp.StatusCode, got, step.want)
		}
	}
}
