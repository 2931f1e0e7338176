package badgerstore

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// dropPages gives back the memory that the tables are mapped into. They are
// read whole when a store is opened, and when Badger merges them, and hardly
// otherwise; but a process is judged by what it has resident. Nothing is lost: a
// page that is looked at again comes from the system's cache, or from the file.
// Where the system does not list mappings as Linux does, they stay.
func (d *disk) dropPages() {
	dir, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return
	}
	tables, release := d.pinTables()
	defer release()
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		start, size, path := mapping(line)
		if filepath.Dir(path) == dir && tables[filepath.Base(path)] {
			forget(start, size)
		}
	}
}

// pagesEach is how many bytes of rows are read before pages are given back.
const pagesEach = 16 << 20

// pages gives pages back while much is read, not only at the end.
type pages struct {
	disk *disk
	read int // since then
}

// note is told of each row that was read.
func (p *pages) note(r row) {
	if p.read += len(r.key) + len(r.value); p.read >= pagesEach {
		p.read = 0
		p.disk.dropPages()
	}
}

// eachPaged is eachIn for whoever reads much beside others.
func (d *disk) eachPaged(txn *badger.Txn, kind byte, do func(row) error) error {
	p := pages{disk: d}
	return eachIn(txn, kind, func(r row) error {
		p.note(r)
		return do(r)
	})
}

// pinTables names tables that stay mapped until the release: what lies where one
// was that is gone could be anything. An iterator holds the tables that there
// are when it is made, among which are those that were there before and after.
func (d *disk) pinTables() (tables map[string]bool, release func()) {
	before := make(map[uint64]bool)
	for _, t := range d.db.Tables() {
		before[t.ID] = true
	}
	txn := d.db.NewTransaction(false)
	it := txn.NewIterator(badger.IteratorOptions{})
	tables = make(map[string]bool)
	for _, t := range d.db.Tables() {
		if before[t.ID] {
			tables[table.IDToFilename(t.ID)] = true
		}
	}
	return tables, func() {
		it.Close()
		txn.Discard()
	}
}

// mapping reads a line of proc_pid_maps(5): "START-END PERMS OFFSET DEV INODE PATH".
func mapping(line string) (start, size uintptr, path string) {
	addresses, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	first, last, _ := strings.Cut(addresses, "-")
	from, err := strconv.ParseUint(first, 16, strconv.IntSize)
	if err != nil {
		return 0, 0, ""
	}
	to, err := strconv.ParseUint(last, 16, strconv.IntSize)
	at := strings.IndexByte(rest, '/')
	if err != nil || at < 0 {
		return 0, 0, ""
	}
	return uintptr(from), uintptr(to - from), rest[at:]
}
