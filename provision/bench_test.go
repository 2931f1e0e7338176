package provision

import (
	"fmt"
	"strings"
	"testing"
)

const oneEntry = `  - user: /users/root
    name: test-token%d
    key: 9201cd9b-4e62-415e-b523-e198dd7e4756
    digest: sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0=
    expires_at: 2027-12-31
`

func manifestOf(entries int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\naction: create\ntokens:\n")
	for i := range entries {
		fmt.Fprintf(&b, oneEntry, i)
	}
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	for _, entries := range []int{1, maxEntries} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			data := manifestOf(entries)
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := Decode("x.yaml", data); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}
