package store

import (
	"fmt"
	"net/netip"
)

// AppendUses appends the stored form of a token's uses without its TokenID,
// which is the key they are stored under.
func AppendUses(b []byte, u *Uses) []byte {
	e := encoder{b}
	if u.Gone != (Use{}) {
		e.element(1, appendUse(nil, &CredentialUse{Use: u.Gone}))
	}
	for i := range u.Credentials {
		e.element(2, appendUse(nil, &u.Credentials[i]))
	}
	return e.b
}

func appendUse(b []byte, u *CredentialUse) []byte {
	e := encoder{b}
	e.number(1, u.Number)
	e.time(2, u.At)
	if u.IP.IsValid() {
		e.element(3, u.IP.AsSlice())
	}
	e.number(4, u.Count)
	return e.b
}

// DecodeUses reads what AppendUses wrote.
func DecodeUses(b []byte) (Uses, error) {
	var u Uses
	err := fields(string(b), func(f field) error {
		use, err := decodeUse(f.text)
		switch f.number {
		case 1:
			u.Gone = use.Use
		case 2:
			u.Credentials = append(u.Credentials, use)
		default:
			return errCorrupt
		}
		return err
	})
	if err != nil {
		return Uses{}, fmt.Errorf("decoding uses: %w", err)
	}
	return u, nil
}

func decodeUse(row string) (CredentialUse, error) {
	var u CredentialUse
	err := fields(row, func(f field) error {
		switch f.number {
		case 1:
			u.Number = f.value
		case 2:
			u.At = f.time()
		case 3:
			var ok bool
			if u.IP, ok = netip.AddrFromSlice([]byte(f.text)); !ok {
				return errCorrupt
			}
		case 4:
			u.Count = f.value
		default:
			return errCorrupt
		}
		return nil
	})
	return u, err
}
