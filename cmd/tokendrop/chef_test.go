package main

import (
	"os"
	"strings"
	"testing"
)

// Every file of the cookbook is Ruby, and the recipe does under itamae, which
// knows the same resources, what it says. There is no Chef to run it here.
func TestChefExample(t *testing.T) {
	requireWriters(t, []writer{itamaeWriter})
	requireTool(t, "ruby")
	t.Parallel()
	w := newWorkshop(t, keepFiles)
	w.expectCommands("chef", "itamae local --node-json node.json --dry-run itamae.rb", "itamae local --node-json node.json itamae.rb")
	out, err := w.write(&writer{name: "ruby", script: `find "$EXAMPLES/chef" -name '*.rb' -exec ruby -wc {} \;`})
	if err != nil || strings.Count(out, "Syntax OK\n") != 6 || strings.Contains(out, "warning") {
		t.Errorf("%v: %s", err, out)
	}
	w.start()
	w.expectRecipe("--dry-run", "exit status 2", "will change", "401 invalid_token")
	w.expectListing(nil)
	w.expectRecipe("", "exit status 2", "200 "+keyDeploy)
	w.expectRecipe("", "exit status 0", "200 "+keyDeploy)
	if err := os.WriteFile(w.drop+"/deploy.yaml", []byte(noDeploy), 0o600); err != nil {
		t.Fatal(err)
	}
	w.awaitVerdict(tokenDeploy, "401 invalid_token")
	bad := `tokendrop_manifest("bad.yaml") { secret true; content "` + badSecret + `" }`
	if err := os.WriteFile(w.root+"/bad.rb", []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what has failed is not forgotten
		out := w.expectRecipe(`"$ROOT/bad.rb"`, "] Failed.", "no such token", "200 "+keyDeploy)
		if strings.Contains(out, tokenB[24:]) {
			t.Errorf("a secret in\n%s", out)
		}
	}
}

// expectRecipe runs the recipe of the example, and another one after it, and
// expects these in what itamae prints, its exit code, or what verify says.
func (w *workshop) expectRecipe(args string, want ...string) string {
	w.t.Helper()
	run := writer{name: "itamae", script: `
sed -e "s:/var/spool/tokendrop:$DROP:; s:/etc/tokendrop:$ROOT:; s/\"group\": \"tokendrop\"/\"group\": \"root\"/" "$EXAMPLES/chef/node.json" > "$ROOT/node.json"
code=0
itamae local --node-json "$ROOT/node.json" --detailed-exitcode --no-color --tmp-dir "$ROOT/itamae" "$EXAMPLES/chef/itamae.rb" ` + args + ` || code=$?
echo "exit status $code"`}
	return w.expectRun(&run, want)
}
