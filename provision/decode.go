package provision

import (
	"path"

	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// maxEntries bounds one manifest, because it is planned and committed whole.
const maxEntries = 10_000

// maxDepth bounds how deep lists and mappings lie in each other, maxKeyParts
// the parts of a dotted key in TOML. A valid manifest needs 5 and 3.
const (
	maxDepth    = 16
	maxKeyParts = 8
)

// maxNodes bounds the keys and values of one file, because what stands for one
// takes a hundred times the two bytes that it can be written in. It is enough
// for as many entries as there may be with fifteen fields each.
const maxNodes = 400_000

const tooMany = "more than 400000 keys and values in one file; split it into several"

const tooDeep = "more than 16 levels of lists and mappings; five are enough"

// Decoder reads manifests under one configuration. The zero Decoder knows no
// prefixes of tokens, and takes every import and every set of scopes for
// configured.
type Decoder struct {
	Formats   token.Formats
	Imports   []string            // the IDs of those that are configured; nil: any
	ScopeSets map[string][]string // those that are configured; nil: any

	keys token.Keyring
	seal seal.Keys
}

// decoder reads what is to be applied under the settings.
func (s *Settings) decoder() Decoder {
	sets := s.ScopeSets
	if sets == nil {
		sets = map[string][]string{} // none, and not any
	}
	return Decoder{Formats: s.Formats, Imports: s.Keys.Imports(), ScopeSets: sets, keys: s.Keys, seal: s.Seal}
}

// credential is what a manifest keeps of a token that is stated in full. It
// fails only if there is no randomness to encrypt the token with.
func (d Decoder) credential(t token.Token) (Credential, error) {
	c := Credential{Key: t.Key, HasKey: true, Digest: t.Digest()}
	if opaque, ok := token.ParseOpaque(t.Reveal()); ok && opaque.Key != t.Key {
		c.Aliases = append(c.Aliases, opaque.Key)
	}
	for _, digest := range d.keys.Imported(t.Reveal()) {
		c.Aliases = append(c.Aliases, digest.Key())
	}
	var err error
	c.Sealed, err = d.seal.Seal(t)
	return c, err
}

// Decode reads a manifest; the extension of name (.yaml .yml .toml .json)
// chooses the syntax. It returns all problems of the file at once, in order of
// place; with any problem the manifest is nil. A file with nothing in it
// (blank, comments, empty documents) is a Manifest without entries.
func (d Decoder) Decode(name string, data []byte) (*Manifest, []Problem) {
	src := parse(name, data)
	v := validator{report: src.report, syntax: src.syntax, decoder: d}
	m := v.manifest(src.docs)
	if problems := src.report.sorted(); len(problems) > 0 {
		return nil, problems
	}
	return m, nil
}

type syntax int

const (
	unknownSyntax syntax = iota
	yamlSyntax
	tomlSyntax
	jsonSyntax
)

func syntaxOf(name string) syntax {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return yamlSyntax
	case ".toml":
		return tomlSyntax
	case ".json":
		return jsonSyntax
	}
	return unknownSyntax
}

// source is a file as its syntax sees it.
type source struct {
	syntax syntax
	text   string
	docs   []*node
	whole  bool // docs are all that the file holds
	report *report
}

func parse(name string, data []byte) source {
	src := source{syntax: syntaxOf(name), text: string(data), report: &report{}}
	if !checkText(src.text, src.report) {
		return src
	}
	switch src.syntax {
	case yamlSyntax:
		src.docs, src.whole = parseYAML(src.text, src.report)
	case tomlSyntax:
		src.docs, src.whole = parseTOML(src.text, src.report)
	case jsonSyntax:
		src.docs, src.whole = parseJSON(src.text, src.report)
	default:
		src.report.at(Pos{}, "the name of a manifest ends in .yaml, .yml, .toml or .json")
	}
	return src
}
