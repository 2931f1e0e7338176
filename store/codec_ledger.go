package store

import "fmt"

// AppendEntry appends the stored form of an entry, its patch excepted, which
// is the key it is stored under.
func AppendEntry(b []byte, n *Entry) []byte {
	e := encoder{b}
	e.number(1, n.ID)
	e.time(2, n.Time)
	e.text(3, n.Dir)
	e.text(4, n.Path)
	e.number(5, uint64(n.Outcome))
	e.list(6, n.Reasons)
	if n.SHA256 != [32]byte{} {
		e.element(7, n.SHA256[:])
	}
	if n.Changed {
		e.number(8, 1)
	}
	e.text(9, n.Author)
	for i := range n.Changes {
		e.nested(10, func(b []byte) []byte { return appendChange(b, &n.Changes[i]) })
	}
	return e.b
}

func appendChange(b []byte, c *Change) []byte {
	e := encoder{b}
	if c.Action != commonAction {
		e.element(1, []byte(c.Action))
	}
	if !c.Key.IsZero() {
		e.element(2, c.Key[:])
	}
	e.text(3, c.Name.User)
	e.text(4, c.Name.Name)
	e.number(5, uint64(c.Result))
	return e.b
}

// DecodeEntry reads what AppendEntry wrote.
func DecodeEntry(patch PatchID, b []byte) (Entry, error) {
	n := Entry{Patch: patch}
	err := fields(string(b), func(f field) error {
		switch f.number {
		case 1:
			n.ID = f.value
		case 2:
			n.Time = f.time()
		case 3:
			n.Dir = f.text
		case 4:
			n.Path = f.text
		case 5:
			n.Outcome = Outcome(f.value)
		case 6:
			n.Reasons = append(n.Reasons, f.text)
		case 7:
			return f.fill(n.SHA256[:])
		case 8:
			n.Changed = f.value != 0
		case 9:
			n.Author = f.text
		case 10:
			c, err := decodeChange(f.text)
			n.Changes = append(n.Changes, c)
			return err
		default:
			return errCorrupt
		}
		return nil
	})
	if err != nil {
		return Entry{}, fmt.Errorf("decoding a ledger entry: %w", err)
	}
	return n, nil
}

func decodeChange(row string) (Change, error) {
	c := Change{Action: commonAction}
	err := fields(row, func(f field) error {
		switch f.number {
		case 1:
			c.Action = f.text
		case 2:
			return f.fill(c.Key[:])
		case 3:
			c.Name.User = f.text
		case 4:
			c.Name.Name = f.text
		case 5:
			c.Result = Result(f.value)
		default:
			return errCorrupt
		}
		return nil
	})
	return c, err
}

// EntrySize is what an entry takes from Limits.
func EntrySize(n *Entry) Size {
	return Size{Writes: 1, Bytes: rowOverhead + len(AppendEntry(make([]byte, 0, usualRow), n))}
}
