package store

// Found is what Lookup has found. Nothing of it is decoded before it is asked
// for: what is known of a token, and how much, takes no time of whoever has its
// key and not its secret.
type Found struct {
	// Rule is what is said about the user.
	Rule Rule

	row   row
	known bool
	room  *Room  // where the first part of the row is decoded
	rest  string // the other part
}

// Known tells whether there is such a token.
func (f *Found) Known() bool { return f.known }

// Credentials are the token's, in a room, or in new memory if that is nil. For a
// key that is unknown they are another token's: none of them has the key, and
// they are there to be compared, which is not to take less time.
func (f *Found) Credentials(room *Room) []Credential {
	if room == nil {
		room = new(Room)
	}
	r := &room.record
	room.lend(r, f.row.Name)
	f.room = room
	f.rest, _ = r.decodeHead(f.row.stored, room) // it was decoded as it came in
	room.keep(r)
	return r.Credentials
}

// Record decodes the whole token into a room, or into new memory if that is nil.
// Of one that Credentials has put there, these stay where they are.
func (f *Found) Record(room *Room) (*Record, bool) {
	if !f.known {
		return nil, false
	}
	if room == nil || f.room != room {
		f.Credentials(room)
	}
	r := &f.room.record
	err := r.decodeBody(f.rest)
	f.room.keep(r)
	return r, err == nil
}
