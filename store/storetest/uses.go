package storetest

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// use is a number of uses, the last of them some minutes after when.
func use(minutes, count int) store.Use {
	return store.Use{
		At: when.Add(time.Duration(minutes) * time.Minute), Count: uint64(count),
		IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(minutes)}),
	}
}

// used tells of uses of the credential with that key, and that number, of a
// token that is there.
func (b *bench) used(k token.Key, number uint64, u store.Use) store.Used {
	b.Helper()
	r, ok := b.ByKey(k)
	if !ok {
		b.Fatalf("no token has the key %s", k)
	}
	return store.Used{Token: r.ID, Name: r.Name, Key: k, CredentialUse: store.CredentialUse{Number: number, Use: u}}
}

func (b *bench) record(used ...store.Used) {
	b.Helper()
	if err := b.RecordUses(b.Context(), used); err != nil {
		b.Fatalf("recording uses: %v", err)
	}
}

// expectUses looks at what is remembered of a token, also after a reopen.
func (b *bench) expectUses(n store.Name, total store.Use, credentials map[uint64]store.Use) {
	b.Helper()
	r, _ := b.ByName(n)
	for range 2 {
		all, err := b.Uses(b.Context())
		if err != nil {
			b.Fatalf("reading uses: %v", err)
		}
		uses := all[r.ID]
		if got := uses.Total(); got != total {
			b.Errorf("%v: used %+v, want %+v", n, got, total)
		}
		if len(uses.Credentials) > 2 { // a token has at most two
			b.Errorf("%v: %d credentials are remembered", n, len(uses.Credentials))
		}
		for number, want := range credentials {
			if got := uses.Of(number); got != want {
				b.Errorf("%v: credential %d is used %+v, want %+v", n, number, got, want)
			}
		}
		b.reopen()
	}
}

// credentials is a record with one credential a number, all of the same key.
func credentials(n store.Name, k token.Key, numbers ...uint64) store.Record {
	r := record(n)
	for _, number := range numbers {
		r.Credentials = append(r.Credentials, store.Credential{Key: k, Number: number, IssuedAt: when})
		r.Generation = number
	}
	return r
}

// over writes a record in the place of what is there under that name.
func (b *bench) over(old store.Name, r store.Record) {
	b.Helper()
	was, _ := b.ByName(old)
	r.ID = was.ID
	batch := b.write(r)
	if r.Name != old {
		batch = b.remove(batch, old)
	}
	b.commit(batch)
}

// 10, 2: uses add up, by credential, through a rotation and a new name, and
// nothing else is changed by them.
func testUses(b *bench) {
	b.commit(b.write(credentials(name(1), key(1), 1), record(name(2), key(2))))
	before := b.state()
	b.record(b.used(key(1), 1, use(1, 3)))
	b.record(b.used(key(1), 1, use(3, 2)), b.used(key(1), 1, use(2, 1))) // the last one is not the latest
	after := b.state()
	after.Uses = before.Uses
	if !reflect.DeepEqual(before, after) {
		b.Errorf("to record uses has changed more than that:\nbefore %+v\nafter  %+v", before, after)
	}
	b.expectUses(name(1), use(3, 6), map[uint64]store.Use{1: use(3, 6)})
	b.expectUses(name(2), store.Use{}, nil)

	b.over(name(1), credentials(name(1), key(1), 2, 1)) // the old one is in its grace
	b.record(b.used(key(1), 2, use(4, 1)))
	b.record(b.used(key(1), 1, use(5, 1)))
	b.expectUses(name(1), use(5, 8), map[uint64]store.Use{1: use(5, 7), 2: use(4, 1)})

	b.over(name(1), credentials(name(3), key(4), 3, 2)) // a new name and a new key
	b.record(b.used(key(4), 3, use(6, 1)))
	b.expectUses(name(3), use(6, 9), map[uint64]store.Use{2: use(4, 1), 3: use(6, 1)})
	b.over(name(3), credentials(name(3), key(4), 4))
	b.expectUses(name(3), use(6, 9), map[uint64]store.Use{4: {}})
	b.record(b.used(key(4), 3, use(7, 1))) // it was used before it went
	b.expectUses(name(3), use(7, 10), map[uint64]store.Use{4: {}})

	renamed, rekeyed := b.used(key(4), 4, use(8, 1)), b.used(key(4), 4, use(9, 1))
	b.over(name(3), credentials(name(4), key(4), 4))
	b.record(renamed)
	rekeyed.Name = name(4)
	b.over(name(4), credentials(name(4), key(5), 5, 4))
	b.record(rekeyed)
	b.expectUses(name(4), use(9, 12), map[uint64]store.Use{4: use(9, 2), 5: {}})
	if got := b.state().Uses; len(got) != 1 {
		b.Errorf("uses of %d tokens are remembered, want 1", len(got))
	}
}

// 10: uses go with their token, and no other one gets them, whatever it has in
// common with it.
func testUsesGone(b *bench) {
	b.commit(b.write(record(name(1), key(1)), record(name(2), key(2)), record(name(3), key(3))))
	var late []store.Used
	for i := 1; i <= 3; i++ {
		late = append(late, b.used(key(i), 0, use(i, 1)))
	}
	b.record(late...)
	b.commit(b.remove(b.write(), name(1)))
	b.commit(b.write(record(name(1), key(1))))                             // deleted and made again
	b.commit(b.write(record(name(2), key(2))))                             // the same in one patch
	b.commit(b.remove(b.write(record(name(4), key(3))), name(3)))          // its key is another's
	b.record(late...)                                                      // flushed when it was too late
	b.record(store.Used{Name: name(9)}, store.Used{Token: 1, Key: key(9)}) // nobody's
	for range 2 {
		if got := b.state().Uses; len(got) != 0 {
			b.Errorf("remembered are %+v, want nothing", got)
		}
		b.reopen()
	}
}

// More uses than fit into one transaction; an error leaves none.
func testManyUses(b *bench) {
	const tokens = 4000
	var records []store.Record
	for i := range tokens {
		records = append(records, record(name(i), key(i)))
	}
	b.commit(b.write(records...))
	var used []store.Used
	for i := range tokens {
		used = append(used, b.used(key(i), 0, use(1, 1)))
	}
	if err := b.RecordUses(cancelled(b.Context()), used); !errors.Is(err, context.Canceled) {
		b.Errorf("RecordUses = %v with a cancelled context", err)
	}
	if got := b.state().Uses; len(got) != 0 {
		b.Errorf("uses of %d tokens are left of a refused call", len(got))
	}
	b.record(used...)
	b.record(used...)
	for range 2 {
		all := b.state().Uses
		for _, u := range used {
			if uses := all[u.Token]; uses.Total() != use(1, 2) {
				b.Fatalf("used %+v, want %+v", uses.Total(), use(1, 2))
			}
		}
		b.reopen()
	}
	b.commit(b.remove(b.write(), name(0)))
	if got := b.state().Uses; len(got) != tokens-1 {
		b.Errorf("uses of %d tokens are remembered, want %d", len(got), tokens-1)
	}
	if err := b.Close(); err != nil {
		b.Fatal(err)
	}
	if err := b.RecordUses(b.Context(), used); err == nil || errors.Is(err, store.ErrUnknown) {
		b.Errorf("RecordUses after Close = %v", err)
	}
	if _, err := b.Uses(b.Context()); err == nil {
		b.Error("Uses after Close has no error")
	}
}
