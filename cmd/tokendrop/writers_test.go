package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokendrop/tokendrop/store/token"
)

// writer is a program that people write manifests with. Its script, run by
// bash, makes a file of each name in $DROP with the content that the file of
// that name has in $SPARE or, on another file system, in $FAR. $NAME is the
// first of them.
type writer struct {
	name   string
	tools  []string
	script string
	// files are the names; none is one that is made of the writer's.
	files []string
	// late: it changes mode or owner by name when it has closed the file, so
	// that it complains, as it may, where the file has its outcome already.
	late bool
}

// plainWriters are those of every system.
var plainWriters = []writer{
	{name: "cp", script: `cp "$SPARE/$NAME" "$DROP/$NAME"`},
	{name: "cp -p", script: `cp -p "$SPARE/$NAME" "$DROP/$NAME"`},
	{name: "cp from elsewhere", script: `cp "$FAR/$NAME" "$DROP/"`},
	{name: "install", script: `install -m 0640 -o root "$SPARE/$NAME" "$DROP/$NAME"`, late: true},
	{name: "mv", script: `cp "$SPARE/$NAME" "$SPARE/moved"; mv "$SPARE/moved" "$DROP/$NAME"`},
	{name: "mv from elsewhere", script: `cp "$FAR/$NAME" "$FAR/moved"; mv "$FAR/moved" "$DROP/$NAME"`},
	{name: "redirection", script: `cat "$SPARE/$NAME" > "$DROP/$NAME"`},
	{name: "appending", script: `while IFS= read -r line; do printf '%s\n' "$line" >> "$DROP/.$NAME"; done < "$SPARE/$NAME"; mv "$DROP/.$NAME" "$DROP/$NAME"`},
	{name: "tee", script: `tee "$DROP/$NAME" < "$SPARE/$NAME" > "$SPARE/seen"`},
	{name: "touch then fill", script: `touch "$DROP/$NAME"; cat "$SPARE/$NAME" > "$DROP/$NAME"`},
	{name: "dd with pauses", script: `{ head -n 7 "$SPARE/$NAME"; sleep 0.3; tail -n +8 "$SPARE/$NAME"; } | dd of="$DROP/$NAME" bs=16 status=none`},
	{name: "sed -i under another name", script: `sed 's/name: /name: not-/' "$SPARE/$NAME" > "$DROP/$NAME.new"; sed -i 's/not-//' "$DROP/$NAME.new"; mv "$DROP/$NAME.new" "$DROP/$NAME"`},
	{name: "rsync", tools: []string{"rsync"}, script: `rsync "$SPARE/$NAME" "$DROP/"`},
	{name: "rsync -a", tools: []string{"rsync"}, script: `rsync -a --chmod=F640 "$FAR/$NAME" "$DROP/"`},
	{name: "rsync --inplace", tools: []string{"rsync"}, script: `rsync -a --inplace "$SPARE/$NAME" "$DROP/"`, late: true},
	{
		name: "rsync --delay-updates", tools: []string{"rsync"},
		script: `mkdir "$SPARE/d"; cp "$SPARE/delayed-1.yaml" "$SPARE/delayed-2.yaml" "$SPARE/d/"; rsync -a --delay-updates "$SPARE/d/" "$DROP/"`,
		files:  []string{"delayed-1.yaml", "delayed-2.yaml"},
		late:   true, // the times of the directory
	},
	{name: "vim", tools: []string{"vim"}, script: vim + ` -c "0read $SPARE/$NAME" -c wq "$DROP/$NAME"`, late: true},
}

// vim is an editor in front of nobody, with the swap file that it always has.
const vim = `TERM=dumb vim -N -u NONE -i NONE -n -es --cmd 'set swapfile updatecount=1 directory=.'`

// managers are the programs that write the same files on every run.
var managers = []writer{ansibleWriter, puppetWriter, itamaeWriter, cloudInitWriter}

// workshop has a daemon, and what writers write.
type workshop struct {
	*machine
	after  string              // what becomes of the files: rename or keep
	far    string              // a directory on another file system
	tokens map[string][]string // by the name of the file
}

// keepFiles is the line of a drop directory whose files stay as they are.
const keepFiles = `after_apply = "keep"`

func newWorkshop(t *testing.T, dropKeys ...string) *workshop {
	t.Helper()
	w := &workshop{machine: newMachine(t, dropKeys...), after: "rename", tokens: map[string][]string{}}
	if slices.Contains(dropKeys, keepFiles) {
		w.after = "keep"
	}
	far, err := os.MkdirTemp("/dev/shm", "td") // where remote_tmp of Ansible is too
	if err != nil {
		skip(t, "there is no other file system: "+err.Error())
	}
	t.Cleanup(func() { _ = os.RemoveAll(far) })
	w.far = far
	return w
}

// prepare writes what a manifest named so is to hold: two tokens, the first of
// which is a whole manifest by itself.
func (w *workshop) prepare(name string) {
	w.t.Helper()
	var text bytes.Buffer
	w.tokens[name] = nil
	for i, head := range []string{"tokens:\n", ""} {
		made, err := token.Generate(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		w.tokens[name] = append(w.tokens[name], made.Reveal())
		fmt.Fprintf(&text, "%s- action: ensure\n  user: %s\n  name: n%d\n  key: %s\n  digest: %s\n  expires_in: 90d\n",
			head, name, i, made.Key, made.Digest())
	}
	for _, dir := range []string{w.spare, w.far} {
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (wr *writer) names() []string {
	if wr.files != nil {
		return wr.files
	}
	return []string{strings.ReplaceAll(wr.name, " ", "-") + ".yaml"}
}

// write runs a writer, and returns what it printed.
func (w *workshop) write(wr *writer) (string, error) {
	examples, err := filepath.Abs(moduleRoot + "/examples")
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euc", wr.script)
	cmd.Dir = w.root
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+w.root, "ROOT="+w.root, "SPARE="+w.spare, "DROP="+w.drop,
		"FAR="+w.far, "NAME="+wr.names()[0], "AFTER="+w.after, "EXAMPLES="+examples)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// requireWriters skips unless all that the writers need is there.
func requireWriters(t *testing.T, writers []writer) {
	t.Helper()
	requireRoot(t)
	for _, wr := range writers {
		for _, tool := range wr.tools {
			requireTool(t, tool)
		}
	}
}

// Every program ends in exactly one outcome for each of its files, with the
// tokens that it wrote, and leaves nothing behind.
func TestWriters(t *testing.T) {
	writers := slices.Concat(plainWriters, managers)
	requireWriters(t, writers)
	t.Parallel()
	w := newWorkshop(t)
	w.start()
	want := []string{".tokendrop"}
	for _, wr := range writers {
		for _, name := range wr.names() {
			w.prepare(name)
			want = append(want, name+".installed")
		}
		out, err := w.write(&wr)
		if err != nil && !wr.late {
			t.Errorf("%s: %v\n%s", wr.name, err, out)
		}
		for _, name := range wr.names() {
			if got := w.outcome(name); got != "installed" {
				t.Errorf("%s: %s is %s: %s\n%s", wr.name, name, got, w.read(name+".failed.reason"), out)
			}
		}
	}
	w.expectTokens()
	w.expectListing(want)
}

// expectTokens expects that every manifest was applied whole and once.
func (w *workshop) expectTokens() {
	w.t.Helper()
	times := map[string]int{}
	for _, e := range w.history() {
		times[e.Path]++
		if e.Outcome != "installed" || len(e.Entries) != 2 || !e.Changed {
			w.t.Errorf("history: %+v", e)
		}
	}
	for name, tokens := range w.tokens {
		if times[name] != 1 {
			w.t.Errorf("%s has %d outcomes", name, times[name])
		}
		for _, text := range tokens {
			if got := w.verify(text); !strings.HasPrefix(got, "200 ") {
				w.t.Errorf("%s: verify says %s", name, got)
			}
		}
	}
}

// expectListing expects these names in the drop directory, and no claims.
func (w *workshop) expectListing(want []string) {
	w.t.Helper()
	entries, err := os.ReadDir(w.drop)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) || len(w.claims()) > 0 {
		w.t.Errorf("the drop directory has\n%q, want\n%q; claims %q", got, want, w.claims())
	}
}

// awaitVerdict waits until verify says so of a token.
func (m *machine) awaitVerdict(text, want string) {
	m.t.Helper()
	m.await(func() bool { return m.verify(text) == want }, "verify does not say "+want)
}

// await waits until something is so that nobody tells of.
func (m *machine) await(done func() bool, complaint string) {
	m.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("%s\n%s", complaint, m.log)
		}
	}
}
