package provision

import (
	"fmt"

	"github.com/tokendrop/tokendrop/store/token"
)

// source reads the fields that say what the token's credential is, and key,
// whose meaning depends on them: beside a token or a digest it is the new
// credential's, otherwise it selects.
func (v *validator) source(fs *fields, e *Entry) {
	v.oneSource(fs)
	key := v.key(fs.stated("key"))
	e.Generate = v.generate(fs.stated("generate"))
	switch {
	case fs.stated("token") != nil:
		v.literal(fs, e, key)
	case fs.stated("digest") != nil:
		v.digest(fs, e, key)
	case e.Action == Create:
		v.generated(fs)
		return
	case e.Action == Regenerate && !e.Generate.OK && fs.missing("generate"):
		e.Generate = Stated[bool]{Value: true, Pos: e.Pos, OK: true}
	}
	if selects(e) {
		e.Key = key
	}
}

// selects tells whether key, where it is stated, is part of the selector. A
// create selects nothing. A regenerate by name may bring a key along with its
// credential; one by key alone keeps that key.
func selects(e *Entry) bool {
	switch e.Action {
	case Create:
		return false
	case Regenerate:
		return !e.Credential.OK || !e.Named()
	}
	return true
}

// oneSource reports every source after the first.
func (v *validator) oneSource(fs *fields) {
	var first *field
	for _, name := range sourceKeys {
		f := fs.stated(name)
		if f != nil && (first == nil || f.key.pos.before(first.key.pos)) {
			first = f
		}
	}
	for _, name := range sourceKeys {
		if f := fs.stated(name); f != nil && f != first {
			v.report.at(f.key.pos, fmt.Sprintf(`%q and %q are both stated; state one of "digest", "token" and "generate"`, first.key.text, name))
		}
	}
}

func (v *validator) key(f *field) Stated[token.Key] {
	if f == nil {
		return Stated[token.Key]{}
	}
	text, ok := v.text(f)
	if !ok {
		return Stated[token.Key]{}
	}
	key, err := token.ParseKey(text)
	if err != nil {
		v.report.at(f.value.pos, `"key" is not the spelling of a key; write a UUID in lower case, like 9201cd9b-4e62-415e-b523-e198dd7e4756, as "tokendrop list" and "tokendrop token key" print it`)
		return Stated[token.Key]{}
	}
	return Stated[token.Key]{Value: key, Pos: f.value.pos, OK: true}
}

func (v *validator) generate(f *field) Stated[bool] {
	generate := v.boolean(f)
	if generate.OK && !generate.Value {
		v.report.at(generate.Pos, `"generate" can only be true; leave it out instead`)
		return Stated[bool]{}
	}
	return generate
}

// literal reads a token in full, and keeps its key and its digest.
func (v *validator) literal(fs *fields, e *Entry, key Stated[token.Key]) {
	f := fs.stated("token")
	text, ok := v.text(f)
	if !ok {
		return
	}
	tok, err := token.Parse(text)
	if err != nil {
		v.report.at(f.value.pos, `"token" is malformed; write the 44 characters of standard base64 that "tokendrop token new" prints, and nothing around them`)
		return
	}
	if key.OK && key.Value != tok.Key {
		v.report.at(key.Pos, `"key" is not the key of the token beside it; leave it out, or write what "tokendrop token key" prints`)
		return
	}
	e.Credential = Stated[Credential]{
		Value: Credential{Key: tok.Key, HasKey: true, Digest: tok.Digest()},
		Pos:   f.value.pos, OK: true,
	}
}

// digest reads a credential that is stated without its secret.
func (v *validator) digest(fs *fields, e *Entry, key Stated[token.Key]) {
	f := fs.stated("digest")
	if fs.missing("key") && (e.Action == Create || e.Action == Ensure) {
		v.report.also(f.key.pos, `"digest" needs the token's "key" beside it; "tokendrop token key --manifest" prints both`)
	}
	text, ok := v.text(f)
	if !ok {
		return
	}
	digest, err := token.ParseDigest(text)
	if err != nil {
		v.report.at(f.value.pos, `"digest" is malformed; write sha256: and 44 characters of base64 or 64 of lower-case hex, as "tokendrop token key --manifest" prints it`)
		return
	}
	c := Credential{Digest: digest}
	if e.Action != Regenerate || e.Named() {
		c.Key, c.HasKey = key.Value, key.OK
	}
	e.Credential = Stated[Credential]{Value: c, Pos: f.value.pos, OK: true}
}

// generated checks a create that states no credential itself.
func (v *validator) generated(fs *fields) {
	if fs.missing("generate") && fs.missing("token") && fs.missing("digest") {
		v.report.also(fs.pos, `nothing says what the token is; state "digest" and "key", or "token", or "generate: true"`)
		return
	}
	if f := fs.stated("key"); f != nil && fs.stated("generate") != nil {
		v.report.at(f.key.pos, `a generated token gets its key when it is made; leave "key" out`)
	}
}
