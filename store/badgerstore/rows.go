package badgerstore

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/internal/serial"
)

// The kinds of rows.
const (
	metaKind   = 'm'
	tokenKind  = 't'
	markKind   = 'k'
	usesKind   = 'u'
	ledgerKind = 'l'
	stagedKind = 's'
	commitKind = 'c'
)

// partSize is the longest value that a ledger entry has in one row, some 600
// changes. It is far below valueBound, so that no transaction has to be large
// for the sake of one row.
const partSize = 64 << 10

// usualRow is more than most rows take, so that a buffer for one does not grow.
const usualRow = 256

// row is what a commit does to one key. A row without a value deletes it.
type row struct{ key, value []byte }

// rowsOf is a batch in stored form.
func rowsOf(batch serial.Change) ([]row, error) {
	rows := make([]row, 0, len(batch.Put)+len(batch.Delete)+len(batch.Marks)+len(batch.Entries)+1)
	for _, name := range batch.Delete {
		rows = append(rows, row{key: tokenKey(name)})
	}
	for i := range batch.Put {
		rows = append(rows, row{tokenKey(batch.Put[i].Name), store.AppendRecord(make([]byte, 0, usualRow), &batch.Put[i])})
	}
	for i := range batch.Marks {
		rows = append(rows, row{markKey(batch.Marks[i].MarkID), store.AppendMark(nil, &batch.Marks[i])})
	}
	for _, id := range batch.Unmark {
		rows = append(rows, row{key: markKey(id)})
	}
	if slices.ContainsFunc(rows, func(r row) bool { return len(r.value) >= valueBound }) {
		return nil, store.ErrTooLarge
	}
	for i := range batch.Entries {
		rows = appendEntryRows(rows, &batch.Entries[i])
	}
	m := meta{store.Format, batch.Count}
	return append(rows, row{[]byte{metaKind}, m.encode()}), nil
}

func tokenKey(name store.Name) []byte {
	key := binary.AppendUvarint([]byte{tokenKind}, uint64(len(name.User)))
	return append(append(key, name.User...), name.Name...)
}

func decodeTokenKey(key []byte) (store.Name, error) {
	size, n := binary.Uvarint(key[1:])
	if n <= 0 || size > uint64(len(key)-1-n) {
		return store.Name{}, ErrDamaged
	}
	text := string(key[1+n:])
	return store.Name{User: text[:size], Name: text[size:]}, nil
}

func markKey(id store.MarkID) []byte {
	return append([]byte{markKind, byte(id.Kind)}, id.Key...)
}

func decodeMarkKey(key []byte) (store.MarkID, error) {
	if len(key) < 2 {
		return store.MarkID{}, ErrDamaged
	}
	return store.MarkID{Kind: store.MarkKind(key[1]), Key: string(key[2:])}, nil
}

func usesKey(id store.TokenID) []byte {
	return binary.AppendUvarint([]byte{usesKind}, uint64(id))
}

func decodeUsesKey(key []byte) (store.TokenID, error) {
	id, n := binary.Uvarint(key[1:])
	if n != len(key)-1 {
		return 0, ErrDamaged
	}
	return store.TokenID(id), nil
}

func entryKey(patch store.PatchID) []byte { return append([]byte{ledgerKind}, patch[:]...) }

func partKey(patch store.PatchID, part uint64) []byte {
	return binary.BigEndian.AppendUint16(entryKey(patch), uint16(part))
}

// headSize is the length of the key of an entry's first row.
const headSize = 1 + len(store.PatchID{})

func appendEntryRows(rows []row, n *store.Entry) []row {
	rest := store.AppendEntry(make([]byte, 0, usualRow), n)
	parts := uint64(max(0, len(rest)-1) / partSize)
	size := min(len(rest), partSize)
	head := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+size), parts)
	rows = append(rows, row{entryKey(n.Patch), append(head, rest[:size]...)})
	for part := range parts {
		rest = rest[size:]
		size = min(len(rest), partSize)
		rows = append(rows, row{partKey(n.Patch, part+1), rest[:size]})
	}
	return rows
}

// decodeHead takes an entry's first row apart.
func decodeHead(value []byte) (parts uint64, rest []byte, err error) {
	parts, n := binary.Uvarint(value)
	if n <= 0 {
		return 0, nil, ErrDamaged
	}
	return parts, value[n:], nil
}

// entryID reads the number from an entry's first row, whose first field it is.
func entryID(value []byte) (uint64, error) {
	_, rest, err := decodeHead(value)
	if err != nil {
		return 0, err
	}
	field, kind, n := protowire.ConsumeTag(rest)
	if n < 0 || field != 1 || kind != protowire.VarintType {
		return 0, ErrDamaged
	}
	id, n := protowire.ConsumeVarint(rest[n:])
	if n < 0 {
		return 0, ErrDamaged
	}
	return id, nil
}

// meta is the row that tells what the other rows have to be.
type meta struct {
	format uint64
	serial.Count
}

func (m meta) encode() []byte {
	b := binary.AppendUvarint(nil, m.format)
	for _, v := range numbersOf(&m.Count) {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, m.Head.Chain[:]...)
}

// numbersOf are the numbers of a count, in the order in which they are stored.
func numbersOf(c *serial.Count) []uint64 {
	return []uint64{c.Head.ID, uint64(c.Tokens), uint64(c.Marks), uint64(c.Revision), c.Restricted}
}

func countOf(numbers []uint64, chain [sha256.Size]byte) serial.Count {
	return serial.Count{
		Head: store.Head{ID: numbers[0], Chain: chain}, Tokens: int(numbers[1]), Marks: int(numbers[2]),
		Revision: store.Revision(numbers[3]), Restricted: numbers[4],
	}
}

// decodeMeta reads nothing behind the number of another format.
func decodeMeta(b []byte) (m meta, err error) {
	m.format, b, err = cutNumber(b)
	if err == nil && m.format != store.Format {
		err = fmt.Errorf("%w: %d, this version reads and writes %d", ErrFormat, m.format, store.Format)
	}
	numbers := numbersOf(&m.Count)
	for i := 0; i < len(numbers) && err == nil; i++ {
		numbers[i], b, err = cutNumber(b)
	}
	if err == nil && len(b) != len(m.Head.Chain) {
		err = ErrDamaged
	}
	if err != nil {
		return meta{}, err
	}
	m.Count = countOf(numbers, [sha256.Size]byte(b))
	return m, nil
}

func cutNumber(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, ErrDamaged
	}
	return v, b[n:], nil
}

// The first byte of a staged value.
const (
	stagedDelete = 0
	stagedPut    = 1
)

func (r row) staged() row {
	key := append([]byte{stagedKind}, r.key...)
	if r.value == nil {
		return row{key, []byte{stagedDelete}}
	}
	return row{key, append([]byte{stagedPut}, r.value...)}
}

func decodeStaged(staged row) (row, error) {
	if len(staged.key) < 2 || len(staged.value) == 0 || staged.value[0] > stagedPut {
		return row{}, ErrDamaged
	}
	r := staged.copy()
	r.key = r.key[1:]
	if r.value[0] == stagedDelete {
		return row{key: r.key}, nil
	}
	return row{r.key, r.value[1:]}, nil
}

func (r row) copy() row { return row{slices.Clone(r.key), slices.Clone(r.value)} }
