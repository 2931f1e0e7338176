package store

import (
	"errors"
	"maps"
	"slices"
	"strings"
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

// A mark that is taken back is gone for who plans later, and expected as it was.
func TestDraftTakesMarksBack(t *testing.T) {
	there, written := KeptID(Source{Dir: "d", Path: "there"}), KeptID(Source{Dir: "d", Path: "written"})
	x := filled()
	x.LoadMarks([]Mark{{MarkID: there, Value: "1", Revision: 7}})
	d := NewDraft(x)
	d.SetMark(written, "1")
	over := NewDraft(d)
	over.Unmark(there)
	over.Unmark(written)
	if _, ok := d.Mark(there); !ok {
		t.Error("a draft shows what only the draft over it has")
	}
	d.Merge(over)
	for _, id := range []MarkID{there, written} {
		if m, ok := d.Mark(id); ok {
			t.Errorf("%+v is still there", m)
		}
	}
	b := d.Batch(nil)
	if err := b.Validate(); err != nil || len(b.Marks) > 0 || !slices.Equal(b.Unmark, []MarkID{there}) || b.ExpectMarks[there] != 7 {
		t.Errorf("%v, %+v", err, b)
	}
	d.SetMark(there, "2")
	if b := d.Batch([]Entry{{}}); len(b.Marks) != 1 || len(b.Unmark) > 0 || b.ExpectMarks[there] != 7 {
		t.Errorf("%+v", b)
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

func names(records []Record) string {
	var list []string
	for _, r := range records {
		list = append(list, r.Name.Name)
	}
	return strings.Join(list, " ")
}

func TestDraftOfUser(t *testing.T) {
	other := record("z", 9)
	other.User = "v"
	d := NewDraft(filled(record("c", 3), record("a", 1), record("b", 2), other))
	over := NewDraft(d)
	over.Delete(Name{"u", "a"})
	over.Put(record("d", 1))
	over.Put(record("b", 7))
	stranger := record("s", 8)
	stranger.User = "v"
	over.Put(stranger)
	ahead := NewDraft(over)
	ahead.LookAhead(map[string]bool{"u": true, "v": true, "nobody": true})
	ahead.Delete(Name{"u", "c"})
	for reader, want := range map[Reader]string{d: "a b c", over: "b c d", ahead: "b d"} {
		if got := names(reader.OfUser("u")); got != want {
			t.Errorf("OfUser = %s, want %s", got, want)
		}
		all := reader.NamesOf(map[string]bool{"u": true, "nobody": true})
		if slices.Sort(all["u"]); strings.Join(all["u"], " ") != want || len(all["nobody"])+len(all["v"]) > 0 {
			t.Errorf("NamesOf = %q, want %s", all, want)
		}
	}
	if got := names(ahead.OfUser("v")) + names(ahead.OfUser("nobody")); got != "s z" {
		t.Errorf("OfUser = %s for the others", got)
	}
	if got := over.OfUser("u")[0]; got.Key() != (token.Key{7}) {
		t.Errorf("OfUser gives b with the key %v, want that of the draft", got.Key())
	}
	d.Merge(over)
	if got := names(d.OfUser("u")); got != "b c d" {
		t.Errorf("after the merge OfUser = %s", got)
	}
	if got := names(d.OfUser("v")); got != "s z" {
		t.Errorf("after the merge OfUser = %s for the other user", got)
	}
	if own := d.OfUser("nobody"); len(own) != 0 {
		t.Errorf("OfUser = %v for who is not there", own)
	}
}

// Contract, invariant 4: a batch expects each token of a list that its plan
// has read, also where a draft between has it from another.
func TestDraftOfUserIsExpected(t *testing.T) {
	base := filled(record("a", 1), record("b", 2))
	d := NewDraft(base)
	NewDraft(d).OfUser("u")
	ahead := NewDraft(base)
	over := NewDraft(ahead)
	over.LookAhead(map[string]bool{"u": true})
	over.OfUser("u")
	var batches []Batch
	for _, d := range []*Draft{d, ahead, over} {
		b := d.Batch([]Entry{{}})
		batches = append(batches, b)
		if want := map[Name]Revision{{"u", "a"}: 1, {"u", "b"}: 2}; !maps.Equal(b.Expect, want) {
			t.Errorf("expects %v, want %v", b.Expect, want)
		}
	}
	base.Apply(&Batch{Delete: []Name{{"u", "b"}}})
	for i := range batches {
		if err := base.Check(&batches[i]); !errors.Is(err, ErrConflict) {
			t.Errorf("Check = %v after one of the list has gone", err)
		}
	}
}

func TestDraftMarks(t *testing.T) {
	old, fresh, read, unread := OnceID("d", "old"), OnceID("d", "fresh"), OnceID("d", "read"), OnceID("d", "unread")
	base := &Index{}
	base.Apply(&Batch{Marks: []Mark{{MarkID: old, Value: "1", Revision: 4}}})
	d := NewDraft(base)
	dropped := NewDraft(d)
	dropped.SetMark(old, "dropped")
	dropped.SetMark(OnceID("d", "dropped"), "")
	over := NewDraft(d)
	over.SetMark(old, "2")
	over.SetMark(old, "3")
	over.SetMark(fresh, "")
	over.SetMark(unread, "")
	over.Mark(read)
	for reader, want := range map[Reader]string{base: "1", d: "1", dropped: "dropped", over: "3"} {
		if m, ok := reader.Mark(old); !ok || m.MarkID != old || m.Value != want {
			t.Errorf("Mark = %+v, %v, want %q", m, ok, want)
		}
	}
	if _, ok := d.Mark(fresh); ok {
		t.Error("a draft shows what only the draft over it has")
	}
	d.Merge(over)
	if m, ok := d.Mark(fresh); !ok || m.MarkID != fresh {
		t.Error("a merged mark is not seen")
	}
	b := d.Batch([]Entry{{}})
	if want := []Mark{{MarkID: fresh}, {MarkID: old, Value: "3"}, {MarkID: unread}}; !slices.Equal(b.Marks, want) {
		t.Errorf("the batch has the marks %v, want %v", b.Marks, want)
	}
	for id, want := range map[MarkID]Revision{old: 4, fresh: 0, read: 0, unread: 0} {
		if got, ok := b.ExpectMarks[id]; !ok || got != want {
			t.Errorf("expects %q at %d (%v), want %d", id, got, ok, want)
		}
	}
	if err := errors.Join(b.Validate(), base.Check(&b)); err != nil {
		t.Errorf("the base does not accept its own draft: %v", err)
	}
	if s := d.Size(); s.Writes != 3 || s.Bytes <= 3*rowOverhead {
		t.Errorf("the size is %+v with three marks", s)
	}
}

// Contract, invariant 4.
func TestValidateMarks(t *testing.T) {
	id := OnceID("d", "n")
	b := Batch{Marks: []Mark{{MarkID: id}}, Entries: []Entry{{}}}
	if err := b.Validate(); err == nil {
		t.Error("a mark that is not expected is accepted")
	}
	b.ExpectMarks = map[MarkID]Revision{id: 0}
	if err := b.Validate(); err != nil {
		t.Errorf("Validate = %v", err)
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

// A key that a credential had before goes with the token, as its keys do.
func TestDraftKnowsFormerKeys(t *testing.T) {
	formerly := func(name string, key, former byte) Record {
		r := record(name, key)
		r.Credentials[0].Extra = &Extra{Former: token.Key{former}}
		return r
	}
	d := NewDraft(filled(formerly("a", 1, 2)))
	d.Put(formerly("b", 3, 4))
	for former, name := range map[byte]string{2: "a", 4: "b"} {
		if r, ok := d.ByKey(token.Key{former}); !ok || r.Name.Name != name {
			t.Errorf("ByKey = %v, %v, want %s", r.Name, ok, name)
		}
	}
	d.Delete(Name{"u", "a"})
	d.Put(record("b", 3))
	for _, former := range []byte{2, 4} {
		if r, ok := d.ByKey(token.Key{former}); ok {
			t.Errorf("a former key that was given up is still that of %v", r.Name)
		}
	}
}

// A draft counts what a commit of it would leave.
func TestDraftCountsWhereTokensComeFrom(t *testing.T) {
	from := func(dir string, r Record) Record {
		r.Source.Dir = dir
		return r
	}
	x := filled(from("ci", record("a", 1)), from("ci", record("b", 2)), from("ops", record("c", 3)))
	d := NewDraft(x)
	d.Put(from("ci", record("a", 1))) // over itself
	d.Put(from("ci", record("new", 4)))
	d.Put(from("ci", record("again", 5)))
	d.Delete(Name{"u", "again"})
	d.Delete(Name{"u", "again"})
	d.Delete(Name{"u", "c"})
	d.Delete(Name{"u", "never"})
	over := NewDraft(d)
	over.Delete(Name{"u", "b"})
	over.Put(from("ops", record("d", 6)))
	check := func(r Reader, ci, ops int) {
		t.Helper()
		if gotCI, gotOps := r.CountFrom("ci"), r.CountFrom("ops"); gotCI != ci || gotOps != ops {
			t.Errorf("%d and %d, want %d and %d", gotCI, gotOps, ci, ops)
		}
	}
	check(x, 2, 1)
	check(d, 3, 0)
	check(over, 2, 1)
	d.Merge(over)
	check(d, 2, 1)
	batch := d.Batch([]Entry{{}})
	x.Apply(&batch)
	check(x, 2, 1)
}
