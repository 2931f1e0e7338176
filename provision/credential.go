package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokendrop/tokendrop/store/token"
)

const (
	statedSources  = `state "digest" and "key", or "token", or "generate: true"`
	keyOfGenerated = `a generated token gets its key when it is made; leave "key" out`
)

// source reads the fields that say what the token's credentials are, and key,
// whose meaning depends on them: beside a token or a digest it is the new
// credential's, otherwise it selects.
func (v *validator) source(fs *fields, e *Entry) {
	v.oneSource(fs)
	key := v.key(fs.stated("key"))
	stated := true
	if f := fs.stated("credentials"); f != nil {
		e.Sources = v.credentials(f)
	} else {
		e.Sources, stated = v.stated(fs, key, credentialKey(e, key))
	}
	switch {
	case stated:
	case e.Action == Regenerate && fs.missing("generate"), e.Action == Copy && fs.missing("generate"):
		e.Sources = generated(e.Pos)
	case e.Action == Create && fs.missing(sourceKeys...):
		v.report.also(fs.pos, "nothing says what the token is; "+statedSources)
	}
	switch e.Action {
	case Create:
		v.keyOfCreate(fs)
	case Revoke:
		if f := fs.stated("digest"); f != nil && fs.missing("key", "token", "token_file", "token_env") && !statesImported(e) {
			v.report.also(f.key.pos, `"revoke" needs the token's "key", because a digest alone may be that of several kinds of tokens; "tokendrop list" shows it`)
		}
		revoked(e, key)
	default:
		if selects(e) {
			e.Key = key
		}
	}
}

// stated reads the one credential that fields state, if any of them says what it
// is. ofDigest is the key that goes with a digest.
func (v *validator) stated(fs *fields, key, ofDigest Stated[token.Key]) (sources []Source, stated bool) {
	generate := v.onlyTrue(fs.stated("generate"))
	switch {
	case fs.stated("token") != nil:
		return v.literal(fs.stated("token"), key), true
	case fs.stated("token_file") != nil, fs.stated("token_env") != nil:
		return v.outside(fs, key), true
	case fs.stated("digest") != nil:
		return v.digest(fs, ofDigest), true
	case generate.OK:
		return generated(generate.Pos), true
	}
	return nil, false
}

// credentialKey is the key of the credential whose digest an entry states. A
// regenerate by key alone keeps that key.
func credentialKey(e *Entry, key Stated[token.Key]) Stated[token.Key] {
	if e.Action == Regenerate && !e.Named() {
		return Stated[token.Key]{}
	}
	return key
}

// selects tells whether key, where it is stated, is part of the selector. A
// regenerate by name may bring a key along with its credential.
func selects(e *Entry) bool {
	return e.Action != Regenerate || !e.Named() || len(e.Sources) == 0 || e.Sources[0].Generate
}

// revoked makes the key of a revoke's credential its selector: nothing else of
// it has a meaning there. One that is outside the manifest has none yet.
func revoked(e *Entry, key Stated[token.Key]) {
	e.Key = key
	for _, s := range e.Sources {
		if s.outside() {
			return
		}
		e.Key, e.Aliases = Stated[token.Key]{Value: s.Key, Pos: s.Pos, OK: true}, s.Aliases
	}
	e.Sources = nil
}

// keyOfCreate reports a key that is no credential's, as a create selects
// nothing.
func (v *validator) keyOfCreate(fs *fields) {
	f := fs.stated("key")
	switch {
	case f == nil:
	case fs.stated("credentials") != nil:
		v.report.at(f.key.pos, `beside "credentials" there is no "key"; write each key into the credential that it belongs to`)
	case fs.stated("generate") != nil && fs.missing(secretKeys...):
		v.report.at(f.key.pos, keyOfGenerated)
	}
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
		f := fs.stated(name)
		if f == nil || f == first {
			continue
		}
		advice := "state one of them"
		if fs.stated("credentials") != nil {
			advice = `write all of them into "credentials"`
		}
		v.report.at(f.key.pos, fmt.Sprintf("%s and %s are both stated; %s", first.name(), f.name(), advice))
	}
}

// credentials reads a list of credentials.
func (v *validator) credentials(f *field) []Source {
	if !v.typed(f, listKind) {
		return nil
	}
	items := f.value.items
	switch {
	case len(items) == 0:
		v.report.at(f.value.pos, `"credentials" is an empty list; state one credential or two`)
	case len(items) > maxCredentials:
		v.report.at(items[maxCredentials].pos, "a token has two credentials at most; remove what is older")
		items = items[:maxCredentials]
	}
	var sources []Source
	for _, n := range items {
		s := v.credential(n)
		if slices.ContainsFunc(sources, func(o Source) bool { return !s.Key.IsZero() && o.Key == s.Key }) {
			v.report.at(n.pos, "two credentials of a token cannot have the same key; state one of them, or make the new one with a key of its own")
		}
		sources = append(sources, s)
	}
	return sources
}

// credential reads one item of such a list. What is wrong is the zero Source.
func (v *validator) credential(n *node) (s Source) {
	switch {
	case n.bad:
		return s
	case n.kind != mapKind:
		v.report.at(n.pos, "a credential is a mapping; "+statedSources+" in it")
		return s
	}
	fs := v.fields(n, credentialScope)
	v.oneSource(fs)
	key := v.key(fs.stated("key"))
	sources, stated := v.stated(fs, key, key)
	if !stated && fs.missing(slices.Concat(secretKeys, []string{"generate"})...) {
		v.report.also(n.pos, "nothing says what this credential is; "+statedSources)
	}
	if len(sources) == 1 {
		s = sources[0]
		s.Pos = n.pos
	}
	if f := fs.stated("key"); f != nil && s.Generate {
		v.report.at(f.key.pos, keyOfGenerated)
	}
	return s
}

func generated(pos Pos) []Source { return []Source{{Pos: pos, Generate: true}} }

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
		v.report.at(f.value.pos, f.name()+` is not the spelling of a key; write a UUID in lower case, like 9201cd9b-4e62-415e-b523-e198dd7e4756, as "tokendrop list" and "tokendrop token key" print it`)
		return Stated[token.Key]{}
	}
	return Stated[token.Key]{Value: key, Pos: f.value.pos, OK: true}
}

// literal reads a token in full, and keeps its key and its digest.
func (v *validator) literal(f *field, key Stated[token.Key]) []Source {
	text, ok := v.text(f)
	if !ok {
		return nil
	}
	tok, err := v.decoder.Formats.Parse(text)
	if err != nil {
		v.report.at(f.value.pos, `"token" `+noToken(text, err))
		return nil
	}
	if key.OK && key.Value != tok.Key {
		v.report.at(key.Pos, `"key" is not the key of the token beside it; leave it out, or write what "tokendrop token key" prints`)
		return nil
	}
	c, err := v.decoder.credential(tok)
	if err != nil {
		v.report.at(f.value.pos, `"token" `+noRandomness)
		return nil
	}
	return []Source{{Pos: f.value.pos, Credential: c}}
}

const noRandomness = `cannot be encrypted, because the system has no randomness; drop the manifest again`

// noToken says what is wrong with a text that is no token of any format. What
// has a known prefix and is none was mistyped. What merely resembles a standard
// token is no error: 63 in 64 texts that "openssl rand -base64 32" prints do, and
// are good tokens of other products.
func noToken(text string, err error) string {
	switch {
	case errors.Is(err, token.ErrChecksum):
		return `does not agree with its checksum, its last six characters; it was mistyped, so write it as it was printed`
	case errors.Is(err, token.ErrBody):
		return `begins with a configured prefix, but what follows is not that of a token; it was cut off or mistyped, so write it as it was printed`
	case text == redacted:
		return `was redacted when the manifest was installed; write the secret again or, better, "key" and "digest" in its place`
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return `has a space or a character outside ASCII, which no token has; write it as it was printed, and nothing around it`
	}
	return `is malformed; write what "tokendrop token new" prints, or another product's token if it has 20 to 512 characters`
}

// digest reads a credential that is stated without its secret. Without a key it
// is an opaque token's.
func (v *validator) digest(fs *fields, key Stated[token.Key]) []Source {
	f := fs.stated("digest")
	text, ok := v.text(f)
	if !ok {
		return nil
	}
	if strings.HasPrefix(text, "hmac-") {
		return v.imported(f, text, key)
	}
	digest, err := token.ParseDigest(text)
	if err != nil {
		v.report.at(f.value.pos, `"digest" is malformed; write sha256: and 44 characters of base64 or 64 of lower-case hex, as "tokendrop token key --manifest" prints it`)
		return nil
	}
	if !key.OK {
		key.Value = digest.OpaqueKey()
	}
	return []Source{{Pos: f.value.pos, Credential: Credential{Key: key.Value, HasKey: key.OK, Digest: digest}}}
}
