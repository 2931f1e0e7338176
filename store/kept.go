package store

import "crypto/sha256"

// KeptFile is what is remembered of a file in a drop directory whose files stay
// where they are, under the file's KeptID: what the file itself cannot show.
type KeptFile struct {
	Sum     [sha256.Size]byte // of its content
	Outcome Outcome           // the last one
	// Applied: this content was installed or skipped once, so that nothing of it
	// is done again but what only makes true what it says.
	Applied bool
	// Reasons is the SHA-256 of the lines that say why it failed the last time;
	// zero if it did not.
	Reasons [sha256.Size]byte
}

// Value is what a mark has of the file.
func (f KeptFile) Value() string {
	applied := byte(0)
	if f.Applied {
		applied = 1
	}
	b := append([]byte{byte(f.Outcome), applied}, f.Sum[:]...)
	if f.Outcome == Failed {
		b = append(b, f.Reasons[:]...)
	}
	return string(b)
}

// KeptFileOf reads the value of a mark of kind Kept; false if it cannot be read.
func KeptFileOf(value string) (f KeptFile, ok bool) {
	const head = 2
	if len(value) < head+len(f.Sum) || value[1] > 1 {
		return KeptFile{}, false
	}
	f.Outcome, f.Applied = Outcome(value[0]), value[1] == 1
	reasons := value[head+copy(f.Sum[:], value[head:]):]
	want := 0
	if f.Outcome == Failed {
		want = copy(f.Reasons[:], reasons)
		ok = want == len(f.Reasons)
	} else {
		ok = f.Outcome == Installed || f.Outcome == Skipped
	}
	if !ok || len(reasons) != want {
		return KeptFile{}, false
	}
	return f, true
}
