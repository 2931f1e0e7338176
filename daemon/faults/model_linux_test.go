package faults

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"strings"

	"github.com/tokendrop/tokendrop/store/token"
)

// story is what happens to two tokens of one user. Each patch is about both, so
// that a half of one would show. No patch is dropped before the one before it
// has its outcome.
type story struct {
	user string
	dir  string

	there, active bool
	generation    uint64
	secrets       [2]string // that are good, or would be if they were active
	revoked       string    // entry that makes a token with a key that never may be used again
	flying        *patch    // dropped, and without an outcome that was seen
}

var names = [2]string{"a", "b"}

// patch is one file.
type patch struct {
	*story
	kind    kind
	path    string
	text    string
	fails   bool
	minted  [2]string // secrets that it states
	entered bool      // its outcome was seen, or the ledger has told
}

type kind string

const (
	create     kind = "create"
	toggle     kind = "toggle" // enables or disables
	regenerate kind = "regenerate"
	remove     kind = "delete"
	revoke     kind = "revoke"
	relapse    kind = "relapse" // create with a revoked key
	broken     kind = "broken"  // its second entry is impossible
)

// model is all that should be so.
type model struct {
	random  *mathrand.Rand
	stories []*story
	patches []*patch
	issued  map[string]bool // all secrets that ever were
	// former are some of them, as many as are asked for each time. Most will not
	// ever be good again.
	former map[string]*story
	out    string // where generated tokens are written
}

const storiesPerDir = 4

func newModel(seed uint64, out string) *model {
	m := &model{random: mathrand.New(mathrand.NewPCG(seed, 0)), issued: map[string]bool{}, former: map[string]*story{}, out: out}
	for i := range storiesPerDir {
		for _, dir := range []string{onDisk, beside, kept} {
			m.stories = append(m.stories, &story{user: fmt.Sprintf("s%d-%d", i, len(m.stories)), dir: dir})
		}
	}
	return m
}

// next invents the next patch of a story.
func (m *model) next(s *story) *patch {
	p := &patch{story: s, kind: m.choose(s)}
	p.path = fmt.Sprintf("%06d-%s.yaml", len(m.patches), s.user)
	if s.dir == kept {
		p.path = s.user + ".yaml"
	}
	p.text = fmt.Sprintf("# %d\n", len(m.patches)) // no two have the same content
	m.write(p)
	m.patches = append(m.patches, p)
	s.flying = p
	return p
}

func (m *model) choose(s *story) kind {
	switch {
	case m.random.IntN(10) == 0:
		return broken
	case s.there:
		return []kind{toggle, toggle, regenerate, regenerate, regenerate, remove, revoke}[m.random.IntN(7)]
	case s.revoked != "" && m.random.IntN(2) == 0:
		return relapse
	}
	return create
}

func (m *model) write(p *patch) {
	s := p.story
	p.fails = p.kind == broken || p.kind == relapse
	if p.kind == regenerate && m.random.IntN(2) == 0 {
		p.text += fmt.Sprintf("once: %s-%d\n", s.user, len(m.patches))
	}
	p.text += "tokens:\n"
	for i, name := range names {
		entry := ""
		switch p.kind {
		case create:
			entry, p.minted[i] = mint()
			entry = "action: create, " + entry
		case toggle:
			entry = fmt.Sprintf("action: ensure, active: %t", !s.active)
		case regenerate:
			entry = fmt.Sprintf("action: regenerate, write_to: {path: %s/%s-%s}", m.out, s.user, name)
		case remove, revoke:
			entry = "action: " + string(p.kind)
		case relapse:
			if entry = "action: create, " + s.revoked; i == 0 {
				fresh, _ := mint()
				entry = "action: create, " + fresh
			}
		case broken:
			if entry = "action: update, set: {active: false}"; i == 1 {
				name = "nobody"
			} else if !s.there {
				fresh, _ := mint()
				entry = "action: create, " + fresh
			}
		}
		p.text += fmt.Sprintf("- {user: %s, name: %s, %s}\n", s.user, name, entry)
	}
}

// mint makes a token: what a manifest says of it, and its text.
func mint() (entry, text string) {
	t, err := token.Generate(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return stated(t), t.Reveal()
}

func stated(t token.Token) string {
	return fmt.Sprintf("key: %s, digest: %q, expires_at: 2099-12-31", t.Key, t.Digest())
}

// enter makes true what a patch says. Secrets that were generated are told by
// generated.
func (m *model) enter(p *patch, generated func(name string) string) {
	p.entered = true
	s := p.story
	if s.flying == p {
		s.flying = nil
	}
	if p.fails {
		return
	}
	switch p.kind {
	case create:
		s.there, s.active, s.generation = true, true, 1
		m.issue(s, p.minted)
	case toggle:
		s.active = !s.active
	case regenerate:
		s.generation++
		m.issue(s, [2]string{generated(names[0]), generated(names[1])})
	case remove, revoke:
		s.there = false
		if p.kind == revoke {
			t, _ := token.Parse(s.secrets[0]) // that was good
			s.revoked = stated(t)
		}
	}
}

const formerMax = 300

func (m *model) issue(s *story, secrets [2]string) {
	s.secrets = secrets
	for text := range m.former { // any of them
		if len(m.former) < formerMax {
			break
		}
		delete(m.former, text)
	}
	for _, text := range secrets {
		m.former[text], m.issued[text] = s, true
	}
}

// forget is for a patch that nothing has become of.
func (m *model) forget(p *patch) {
	if p.flying == p {
		p.flying = nil
	}
}

// verdict is what a gate has to say of a secret.
func (s *story) verdict(text string) string {
	switch {
	case !s.there || s.secrets[0] != text && s.secrets[1] != text:
		return "401 invalid_token"
	case !s.active:
		return "401 disabled"
	}
	return "200 "
}

func (p *patch) outcome() string {
	if p.fails {
		return "failed"
	}
	return "installed"
}

// id is what the ledger tells patches apart by.
func (p *patch) id() string { return ledgerID(p.dir, p.path, sum(p.text)) }

func ledgerID(parts ...string) string { return strings.Join(parts, " ") }

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}
