package patches

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// String writes the ID as 32 digits of lower-case hex, which sort as IDs do.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

func (id ID) compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// parseID reads what String wrote, in that spelling only.
func parseID(text string) (ID, bool) {
	var id ID
	if len(text) != hex.EncodedLen(len(id)) {
		return ID{}, false
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil || id.String() != text {
		return ID{}, false
	}
	return id, true
}

// ids makes IDs that ascend, so that claims are recovered in the order in
// which they were made, even within one millisecond or when the clock is set
// back.
type ids struct{ last ID }

func (g *ids) next(now time.Time) ID {
	var id ID
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	_, _ = rand.Read(id[6:]) // never fails
	if id.compare(g.last) <= 0 {
		id = g.last.successor()
	}
	g.last = id
	return id
}

// seen makes every later ID follow this one.
func (g *ids) seen(id ID) {
	if id.compare(g.last) > 0 {
		g.last = id
	}
}

func (id ID) successor() ID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}
