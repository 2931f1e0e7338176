package main

import (
	"os"
	"strings"
	"testing"
)

// The user data of the example are right, and leave a manifest that is applied
// before the daemon says that it is ready.
func TestCloudInitExample(t *testing.T) {
	requireWriters(t, []writer{cloudInitWriter})
	w := newWorkshop(t)
	w.expectCommands("cloud-init", "cloud-init schema --config-file user-data.yaml",
		"cloud-init --file user-data.yaml single --name write_files --frequency always", "systemctl enable --now tokendrop")
	text := exampleText(t, "cloud-init/user-data.yaml")
	here := strings.NewReplacer("/var/spool/tokendrop", w.drop, "root:tokendrop", "root:root").Replace(text)
	if err := os.WriteFile(w.root+"/user-data.yaml", []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := w.write(&writer{name: "x", script: `cloud-init schema --config-file "$EXAMPLES/cloud-init/user-data.yaml"` +
		cloudInit + ` --file "$ROOT/user-data.yaml" single --name write_files --frequency always`})
	if err != nil || !strings.Contains(out, "Valid cloud-config") {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(w.drop + "/10-deploy.yaml"); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	w.start()
	w.expectListing([]string{".tokendrop", "10-deploy.yaml.installed"})
	if got := w.verify(tokenDeploy); got != "200 "+keyDeploy {
		t.Errorf("verify says %s", got)
	}
}

// expectCommands expects that the README of an example tells people to run
// these, and no others.
func (w *workshop) expectCommands(example string, want ...string) {
	w.t.Helper()
	var got []string
	for line := range strings.Lines(exampleText(w.t, example+"/README.md")) {
		if command, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    "); ok {
			got = append(got, command)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("%s tells to run\n%q, want\n%q", example, got, want)
	}
}
