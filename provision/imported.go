package provision

import (
	"fmt"
	"slices"

	"github.com/tokendrop/tokendrop/store/token"
)

// imported reads a credential that is stated by another product's digest. Its
// key follows from that.
func (v *validator) imported(f *field, text string, key Stated[token.Key]) []Source {
	digest, err := token.ParseImported(text)
	if err != nil {
		v.report.at(f.value.pos, `"digest" is malformed; write hmac-sha512:ID: and 128 characters of lower-case hex, or hmac-sha256:ID: and 64, where ID is that of a [tokens.import.ID] in the configuration`)
		return nil
	}
	if !v.decoder.imports(digest.ID) {
		v.report.at(f.value.pos, v.decoder.unknownImport(digest.ID))
		return nil
	}
	if key.OK && key.Value != digest.Key() {
		v.report.at(key.Pos, `"key" is not the key of the imported digest beside it; leave it out, because it follows from the digest`)
		return nil
	}
	return []Source{{Pos: f.value.pos, Credential: Credential{Key: digest.Key(), HasKey: true, Imported: digest}}}
}

// imports tells whether an import is configured.
func (d *Decoder) imports(id string) bool {
	return d.Imports == nil || slices.Contains(d.Imports, id)
}

// unknownImport says what to do about an import that is not configured. An ID is
// no secret, but what was put in its place may be: only a configured one is told.
func (d *Decoder) unknownImport(id string) string {
	const text = `"digest" is of an import that the configuration does not have; `
	if likely := Nearest(id, d.Imports); likely != "" {
		return text + fmt.Sprintf("did you mean %q?", likely)
	}
	return text + `add [tokens.import.ID] with its "salt_file", and start the daemon again`
}

// statesImported tells whether a revoke states an imported digest, which is that
// of one token only.
func statesImported(e *Entry) bool {
	return slices.ContainsFunc(e.Sources, func(s Source) bool { return s.imported() })
}
