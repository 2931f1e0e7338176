package store

import "crypto/sha256"

// KeptFile is what is remembered of a file in a drop directory whose files stay
// where they are, under the file's KeptID: what the file itself cannot show.
type KeptFile struct {
	Sum     [sha256.Size]byte // of the content that was decided on last
	Outcome Outcome           // of that
	// Applied is the SHA-256 of the content that was installed or skipped last,
	// of which nothing is done again but what makes true what it says; zero if
	// none was.
	Applied [sha256.Size]byte
	// Reasons is the SHA-256 of the lines that say why it failed the last time;
	// zero if it did not.
	Reasons [sha256.Size]byte
}

// Value is what a mark has of the file.
func (f KeptFile) Value() string {
	b := append([]byte{byte(f.Outcome)}, f.Sum[:]...)
	b = append(b, f.Applied[:]...)
	if f.Outcome == Failed {
		b = append(b, f.Reasons[:]...)
	}
	return string(b)
}

// KeptFileOf reads the value of a mark of kind Kept; false if it cannot be read.
func KeptFileOf(value string) (f KeptFile, ok bool) {
	const whole = 1 + 2*sha256.Size
	want := whole
	if value != "" && Outcome(value[0]) == Failed {
		want += sha256.Size
	}
	if len(value) != want || value[0] < byte(Installed) || value[0] > byte(Skipped) {
		return KeptFile{}, false
	}
	f.Outcome = Outcome(value[0])
	copy(f.Sum[:], value[1:])
	copy(f.Applied[:], value[1+sha256.Size:])
	copy(f.Reasons[:], value[whole:])
	return f, true
}
