package badgerstore

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/store"
)

// resident is what of the mapped tables of a store is in memory, and how large
// they are, in kB.
func resident(t *testing.T, dir string) (rss, size int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	counts := regexp.MustCompile(`(?m)^(Size|Rss): +(\d+) kB$`)
	for _, part := range regexp.MustCompile(`(?m)^[0-9a-f]+-[0-9a-f]+ `).Split(string(smaps), -1) {
		head, _, _ := strings.Cut(part, "\n")
		if !strings.Contains(head, dir) || !strings.HasSuffix(head, ".sst") {
			continue
		}
		for _, m := range counts.FindAllStringSubmatch(part, -1) {
			n, _ := strconv.Atoi(m[2])
			if m[1] == "Rss" {
				rss += n
			} else {
				size += n
			}
		}
	}
	return rss, size
}

// A store that was opened has read its tables, and has them in memory no more;
// what is in them is read as before.
func TestTablesAreNotResident(t *testing.T) {
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	const tokens = 5000
	if err := s.Commit(t.Context(), benchBatch(1, tokens)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o, defaultHooks(o))
	if rss, size := resident(t, o.Path); size < 1000 || rss*2 > size {
		t.Errorf("%d kB of tables of %d kB are resident", rss, size)
	}
	n := 0
	for _, err := range s.Ledger(t.Context()) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	rss, size := resident(t, o.Path)
	if n != tokens || rss*4 < size {
		t.Errorf("%d entries are read from tables of %d kB, %d resident", n, size, rss)
	}
	s.disk.dropPages()
	if after, _ := resident(t, o.Path); after >= rss {
		t.Errorf("%d kB are resident after %d", after, rss)
	}
}

// 8: while much is read, only the last of it is resident.
func TestReadingIsNotResident(t *testing.T) {
	const tokens, each = 3000, 8 << 10
	o := testOptions(t.TempDir() + "/store")
	s := mustOpen(t, o, defaultHooks(o))
	batch := benchBatch(1, tokens)
	for i := range batch.Put {
		batch.Put[i].Description = strings.Repeat("d", each)
	}
	if err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o, defaultHooks(o))
	read, most := 0, 0
	err := s.View(t.Context(), func(v store.View) error {
		for _, err := range v.Records() {
			if err != nil {
				return err
			}
			if read++; read%250 == 0 {
				rss, _ := resident(t, o.Path)
				most = max(most, rss)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, size := resident(t, o.Path); read != tokens || most >= size || most > (pagesEach+4<<20)>>10 {
		t.Errorf("%d kB of tables of %d kB were resident while %d tokens were read", most, size, read)
	}
}

func TestMapping(t *testing.T) {
	for line, want := range map[string]struct {
		start, size uintptr
		path        string
	}{
		"7f00-9f00 rw-s 00000000 fe:00 12   /s/000001.sst\n":      {0x7f00, 0x2000, "/s/000001.sst"},
		"7f00-9f00 r--s 00000000 fe:00 12   /a b/1.sst (deleted)": {0x7f00, 0x2000, "/a b/1.sst (deleted)"},
		"7f00-9f00 rw-p 00000000 00:00 0 \n":                      {},
		"7ffc-8000 rw-p 00000000 00:00 0    [stack]":              {},
		"x-9f00 rw-s 00000000 fe:00 12   /s/000001.sst":           {},
		"7f00 rw-s 00000000 fe:00 12   /s/000001.sst":             {},
		"": {},
	} {
		start, size, path := mapping(line)
		if start != want.start || size != want.size || path != want.path {
			t.Errorf("%q: %x %x %q", line, start, size, path)
		}
	}
}
