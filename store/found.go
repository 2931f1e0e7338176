package store

// Found is what Lookup has found, in memory that it can be used for again.
// Nothing of it is decoded before it is asked for: what is known of a token, and
// how much, takes no time of whoever has its key and not its secret. What a Found
// hands out lies in there, until the next Lookup into it. The zero Found is ready.
type Found struct {
	// Rule is what is said about the user.
	Rule Rule

	row    row
	known  bool
	begun  bool   // the credentials are decoded, and so is what is before them
	rest   string // of the row, behind them
	record Record
	room   Room // for what the record has lists of
}

// Known tells whether there is such a token.
func (f *Found) Known() bool { return f.known }

// Credentials are the token's. For a key that is unknown they are another
// token's: none of them has the key, and they are there to be compared, which is
// not to take less time.
func (f *Found) Credentials() []Credential {
	if r := &f.record; !f.begun {
		f.room.lend(r, f.row.Name)
		f.rest, _ = r.decodeHead(f.row.stored, &f.room) // it was decoded as it came in
		f.room.keep(r)
		f.begun = true
	}
	return f.record.Credentials
}

// Record is the whole token, false if there is none. Its Credentials are those
// that were asked for before.
func (f *Found) Record() (*Record, bool) {
	if !f.known {
		return nil, false
	}
	f.Credentials()
	err := f.record.decodeBody(f.rest)
	f.rest = ""
	f.room.keep(&f.record)
	return &f.record, err == nil
}
