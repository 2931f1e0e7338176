package store

import "fmt"

// AppendMark appends the stored form of a mark without its MarkID, which is
// the key it is stored under.
func AppendMark(b []byte, m *Mark) []byte {
	e := encoder{b}
	e.text(1, m.Value)
	e.number(2, uint64(m.Revision))
	return e.b
}

// DecodeMark reads what AppendMark wrote.
func DecodeMark(id MarkID, b []byte) (Mark, error) {
	m := Mark{MarkID: id}
	err := fields(string(b), func(f field) error {
		switch f.number {
		case 1:
			m.Value = f.text
		case 2:
			m.Revision = Revision(f.value)
		default:
			return errCorrupt
		}
		return nil
	})
	if err == nil && (!id.Kind.Known() || m.Revision == 0) {
		err = errCorrupt
	}
	if err != nil {
		return Mark{}, fmt.Errorf("decoding a mark: %w", err)
	}
	return m, nil
}

func markSize(m *Mark) int {
	return rowOverhead + len(m.Key) + len(AppendMark(nil, m))
}
