package main

import (
	"slices"
	"strings"
	"testing"
)

// editors change a file that is there, from 90d to 80d.
var editors = []writer{
	{name: "sed -i", script: `sed -i s/90d/80d/ "$DROP/$NAME"`},
	{name: "edited and moved", script: `sed s/90d/80d/ "$DROP/$NAME" > "$DROP/$NAME.new"; mv "$DROP/$NAME.new" "$DROP/$NAME"`},
	{name: "truncated and written", script: `sed s/90d/80d/ "$SPARE/$NAME" > "$SPARE/new"; cat "$SPARE/new" > "$DROP/$NAME"`},
	{name: "vim by another file", tools: []string{"vim"}, script: vim + ` -c "set writebackup backupcopy=no" -c %s/90d/80d/ -c wq "$DROP/$NAME"`},
	{name: "vim in place", tools: []string{"vim"}, script: vim + ` -c "set writebackup backupcopy=yes" -c %s/90d/80d/ -c wq "$DROP/$NAME"`},
	{name: "vim without a backup", tools: []string{"vim"}, script: vim + ` -c "set nowritebackup" -c %s/90d/80d/ -c wq "$DROP/$NAME"`},
	{name: "rsync over it", tools: []string{"rsync"}, script: `sed -i s/90d/80d/ "$SPARE/$NAME"; rsync -aI "$SPARE/$NAME" "$DROP/"`},
	{name: "rsync into it", tools: []string{"rsync"}, script: `sed -i s/90d/80d/ "$SPARE/$NAME"; rsync -aI --inplace "$SPARE/$NAME" "$DROP/"`},
	unsafeAnsible,
}

// unsafeAnsible has the right to change the file, and none to put another one
// in its place.
var unsafeAnsible = writer{
	name:  "ansible unsafe_writes",
	tools: []string{"ansible-playbook", "setpriv"},
	script: `
sed -i s/90d/80d/ "$SPARE/$NAME"
chmod 711 "$ROOT" "$SPARE" "$FAR"
chmod 755 "$DROP"
chown nobody "$DROP/$NAME" "$SPARE/$NAME"
mkdir -m 777 "$FAR/nobody"
ROOT=$FAR/nobody` + ansible + `
cat > "$ROOT/play.yaml" <<'EOF'
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {src: "{{ spare }}/{{ name }}", dest: "{{ drop }}/{{ name }}", unsafe_writes: true}
EOF
setpriv --reuid=nobody --regid=nogroup --clear-groups ansible-playbook "$ROOT/play.yaml" -e "spare=$SPARE drop=$DROP name=$NAME"`,
}

// Where files stay, every writer and every editor is content, each content of a
// file is applied once, and what writes the same again changes nothing.
func TestWritersOfFilesThatStay(t *testing.T) {
	writers := slices.Concat(plainWriters, managers)
	requireWriters(t, slices.Concat(writers, editors))
	t.Parallel()
	w := newWorkshop(t, keepFiles)
	w.start()
	var want []string
	for _, wr := range writers {
		want = append(want, w.writeWhole(&wr)...)
	}
	w.expectListing(slices.Clone(want))
	w.expectTokens()
	before := len(w.history())
	for _, again := range secondRuns {
		out, err := w.write(&again.writer)
		if err != nil || !strings.Contains(out, again.says) || strings.Contains(out, again.never) {
			t.Errorf("%s, the second time: %v\n%s", again.writer.name, err, out)
		}
	}
	for _, ed := range editors {
		cp := writer{name: ed.name, script: plainWriters[0].script}
		want = append(want, w.writeWhole(&cp)...)
		if out, err := w.write(&ed); err != nil {
			t.Errorf("%s: %v\n%s", ed.name, err, out)
		}
		w.awaitEntries(ed.names()[0], 2)
	}
	w.expectListing(want)
	if got := len(w.history()); got != before+2*len(editors) {
		t.Errorf("%d entries in the ledger, want %d before and two for each editor", got, before)
	}
}

// secondRuns write what is there already, and say what of it.
var secondRuns = []struct {
	writer      writer
	says, never string
}{
	{ansibleWriter, "changed=0 ", "FAILED"},
	{puppetWriter, "Applied catalog", "File["}, // and exits with 0
	{itamaeWriter, "Starting Itamae", "will"},
	{cloudInitWriter, "", "Error"}, // it writes always
}

// writeWhole runs a writer that has nothing to complain of, and waits for its
// tokens.
func (w *workshop) writeWhole(wr *writer) (names []string) {
	w.t.Helper()
	for _, name := range wr.names() {
		w.prepare(name)
	}
	out, err := w.write(wr)
	if err != nil && !(wr.name == puppetWriter.name && err.Error() == "exit status 2") {
		w.t.Errorf("%s: %v\n%s", wr.name, err, out)
	}
	for _, name := range wr.names() {
		for _, text := range w.tokens[name] {
			w.await(func() bool { return strings.HasPrefix(w.verify(text), "200 ") }, name+" is not applied")
		}
	}
	return wr.names()
}

// awaitEntries waits until the ledger has so many entries about a file.
func (w *workshop) awaitEntries(name string, want int) {
	w.t.Helper()
	w.await(func() bool {
		got := 0
		for _, e := range w.history() {
			if e.Path == name {
				got++
			}
		}
		return got == want
	}, name+" has another number of entries in the ledger")
}
