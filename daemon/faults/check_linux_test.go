package faults

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// tally is a row of the table.
type tally struct {
	fault  string
	rounds int
	// acknowledged are the patches whose outcome was seen; the others are the
	// mistakes, of which there have to be none.
	acknowledged, lost, twice, resurrected, wrong int
}

// settle waits until everything that lies in a directory has its outcome, and
// takes note of what the ledger says of patches of which none was seen.
func (m *machine) settle() {
	m.Helper()
	tick := time.NewTicker(glances)
	defer tick.Stop()
	for late := time.After(patience); m.unsettled(); {
		select {
		case <-tick.C:
		case <-m.exited:
			m.Fatalf("the daemon has ended: %s", m.log)
		case <-late:
			m.Fatal("patches wait, and for nothing")
		}
	}
	ledger := m.entries(admin.EntryFilter{})
	for _, s := range m.stories {
		p := s.flying
		switch {
		case p == nil:
		case ledger[p.id()] != nil:
			m.acknowledge(p)
		case m.cut && p.dir == onDisk: // its writer has not synced it
			m.forget(p)
		default:
			m.lost++
			m.Errorf("%s/%s is gone", p.dir, p.path)
			m.forget(p)
		}
	}
}

// unsettled tells whether a patch has no outcome yet.
func (m *machine) unsettled() bool {
	for _, dir := range []string{onDisk, beside} {
		waits := false
		err := filepath.WalkDir(filepath.Join(m.root, dir), func(path string, _ fs.DirEntry, err error) error {
			waits = waits || strings.HasSuffix(path, ".yaml")
			return err
		})
		if waits || err != nil { // which is that something has gone meanwhile
			return true
		}
	}
	for _, s := range m.stories {
		if p := s.flying; p != nil && s.dir == kept && m.lies(p) && !m.shows(p) {
			return true
		}
	}
	return false
}

// lies tells whether a kept patch came to be in its directory.
func (m *machine) lies(p *patch) bool {
	text, err := os.ReadFile(filepath.Join(m.root, p.dir, p.path))
	return err == nil && string(text) == p.text
}

// check looks at every patch and every credential.
func (m *machine) check() {
	m.Helper()
	m.settle()
	m.cut = false
	ledger := m.entries(admin.EntryFilter{})
	m.checkNumbers(ledger)
	known := map[string]bool{}
	installed := map[string]bool{}
	for _, p := range m.patches {
		entries := ledger[p.id()]
		known[p.id()] = true
		switch {
		case len(entries) > 1:
			m.twice++
			m.Errorf("%s/%s has %d entries in the ledger", p.dir, p.path, len(entries))
		case len(entries) == 0 && p.entered:
			m.lost++
			m.Errorf("%s/%s has none in the ledger", p.dir, p.path)
		case len(entries) == 1 && entries[0].Outcome != p.outcome():
			m.wrong++
			m.Errorf("%s/%s (%s) is %s: %s", p.dir, p.path, p.kind, entries[0].Outcome, entries[0].Reason)
		}
		installed[filepath.Join(m.root, p.dir, p.path)+".installed"] = len(entries) > 0
	}
	for id, entries := range ledger {
		if empty := sum(""); !known[id] && entries[0].SHA256 != empty { // the power cut may leave a file without its text
			m.wrong++
			m.Errorf("the ledger has %s, which nobody has dropped", id)
		}
	}
	for _, dir := range []string{onDisk, beside} {
		shown, _ := filepath.Glob(filepath.Join(m.root, dir, "*.installed"))
		for _, name := range shown {
			if !installed[name] {
				m.wrong++
				m.Errorf("%s, and the ledger does not know it", name)
			}
		}
	}
	m.checkTokens()
}

// checkNumbers expects ids without a gap.
func (m *machine) checkNumbers(ledger map[string][]admin.Entry) {
	m.Helper()
	ids := map[uint64]bool{}
	for _, entries := range ledger {
		for _, e := range entries {
			ids[e.ID] = true
		}
	}
	for id := range uint64(len(ids)) {
		if !ids[id+1] {
			m.wrong++
			m.Errorf("the ledger has %d entries, and none with the number %d", len(ids), id+1)
		}
	}
}

func (m *machine) checkTokens() {
	m.Helper()
	for text, s := range m.former {
		if _, err := m.verify(text); err != nil {
			m.Fatalf("the gate does not answer: %v", err)
		}
		m.judge(s, text)
	}
	generations := map[string]uint64{}
	for t, err := range m.admin.Tokens(m.Context(), admin.TokenFilter{}) {
		if err != nil {
			m.Fatal(err)
		}
		generations[t.User+"/"+t.Name] = t.Generation
	}
	for _, s := range m.stories {
		for _, name := range names {
			got, want := generations[s.user+"/"+name], s.generation
			if !s.there {
				want = 0
			}
			switch {
			case got == want:
				continue
			case got > want && want > 0:
				m.twice++
			case want == 0:
				m.resurrected++
			default:
				m.lost++
			}
			m.Errorf("%s/%s is at generation %d, want %d", s.user, name, got, want)
		}
	}
}
