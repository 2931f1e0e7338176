package store

import (
	"testing"

	"github.com/tokendrop/tokendrop/store/token"
)

func record(name string, keys ...byte) Record {
	r := Record{Name: Name{User: "u", Name: name}, Active: true, Type: FullAccess}
	for _, k := range keys {
		r.Credentials = append(r.Credentials, Credential{Key: token.Key{k}})
	}
	return r
}

func filled(records ...Record) *Index {
	x := &Index{}
	for i := range records {
		records[i].Revision = Revision(i + 1)
	}
	x.Apply(&Batch{Put: records})
	return x
}

func TestDraftSeesItsOwnChanges(t *testing.T) {
	d := NewDraft(filled(record("a", 1), record("b", 2)))
	d.Delete(Name{"u", "a"})
	if _, ok := d.ByKey(token.Key{1}); ok {
		t.Error("the key of a deleted token is still found")
	}
	d.Put(record("c", 1))
	if r, ok := d.ByKey(token.Key{1}); !ok || r.Name.Name != "c" {
		t.Errorf("ByKey = %v, %v; want the token that took the key over", r.Name, ok)
	}
	d.Put(record("b", 3))
	if _, ok := d.ByKey(token.Key{2}); ok {
		t.Error("a replaced key is still found")
	}
	d.Put(record("b", 4))
	if _, ok := d.ByKey(token.Key{3}); ok {
		t.Error("a key that was replaced within the draft is still found")
	}
}

func TestDraftOverDraftLeavesNoTrace(t *testing.T) {
	base := filled(record("a", 1))
	d := NewDraft(base)
	over := NewDraft(d)
	over.Put(record("b", 2))
	over.Delete(Name{"u", "a"})
	if _, ok := d.ByName(Name{"u", "b"}); ok {
		t.Error("a draft shows what only the draft over it has")
	}
	d.Merge(over)
	if _, ok := d.ByName(Name{"u", "a"}); ok {
		t.Error("a merged deletion is not seen")
	}
	if r, ok := d.ByKey(token.Key{2}); !ok || r.Name.Name != "b" {
		t.Error("a merged record is not found by its key")
	}
}

// Contract, invariant 4: the batch expects what the plan read.
func TestDraftBatchExpects(t *testing.T) {
	base := filled(record("a", 1), record("b", 2))
	d := NewDraft(base)
	over := NewDraft(d)
	over.Put(record("a", 9))
	over.Delete(Name{"u", "b"})
	over.Put(record("new", 3))
	over.Put(record("gone again", 4))
	over.Delete(Name{"u", "gone again"})
	d.Merge(over)
	b := d.Batch([]Entry{{}})
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	want := map[string]Revision{"a": 1, "b": 2, "new": 0, "gone again": 0}
	for name, rev := range want {
		if got, ok := b.Expect[Name{"u", name}]; !ok || got != rev {
			t.Errorf("expects %s at %d (%v), want %d", name, got, ok, rev)
		}
	}
	if len(b.Put) != 2 || len(b.Delete) != 1 {
		t.Errorf("puts %d and deletes %d tokens, want 2 and 1", len(b.Put), len(b.Delete))
	}
	if err := base.Check(&b); err != nil {
		t.Errorf("the base does not accept its own draft: %v", err)
	}
}

// Contract, invariant 5.
func TestIndexChecksKeys(t *testing.T) {
	base := filled(record("a", 1), record("b", 2))
	expect := map[Name]Revision{{"u", "a"}: 1, {"u", "b"}: 2, {"u", "c"}: 0}
	for name, tt := range map[string]struct {
		batch Batch
		ok    bool
	}{
		"key of another":         {Batch{Put: []Record{record("c", 1)}}, false},
		"key freed by a delete":  {Batch{Put: []Record{record("c", 1)}, Delete: []Name{{"u", "a"}}}, true},
		"keys swapped":           {Batch{Put: []Record{record("a", 2), record("b", 1)}}, true},
		"one key, two new":       {Batch{Put: []Record{record("a", 7), record("c", 7)}}, false},
		"one key twice in one":   {Batch{Put: []Record{record("c", 7, 7)}}, true},
		"own key kept":           {Batch{Put: []Record{record("a", 1)}}, true},
		"two keys, one of other": {Batch{Put: []Record{record("a", 1, 2)}}, false},
	} {
		tt.batch.Expect = expect
		if err := base.Check(&tt.batch); (err == nil) != tt.ok {
			t.Errorf("%s: Check = %v", name, err)
		}
	}
}

// Contract, invariant 4: what was committed after the plan has read a token is
// not overwritten, however often the draft looks again.
func TestDraftExpectsWhatItReadFirst(t *testing.T) {
	base := filled(record("a", 1))
	d := NewDraft(base)
	r, _ := d.ByName(Name{"u", "a"})
	changed := record("a", 1)
	changed.Active, changed.Revision = false, 9
	base.Apply(&Batch{Put: []Record{changed}})
	d.ByName(Name{"u", "a"})
	d.ByKey(token.Key{1})
	d.Put(r)
	b := d.Batch([]Entry{{}})
	if err := base.Check(&b); err == nil {
		t.Error("a lost update: the batch expects a revision that the plan never read")
	}
}
