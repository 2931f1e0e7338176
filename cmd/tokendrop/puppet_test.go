package main

import (
	"os"
	"strings"
	"testing"
)

// The module applies its manifest, changes nothing the second time, says in noop
// mode what it would do, and fails with the reason of a manifest that has failed.
func TestPuppetExample(t *testing.T) {
	requireWriters(t, []writer{puppetWriter})
	t.Parallel()
	w := newWorkshop(t, keepFiles)
	w.expectCommands("puppet", "puppet apply --modulepath modules --noop --show_diff site.pp",
		"puppet apply --modulepath modules --detailed-exitcodes site.pp")
	w.start()
	w.expectCatalog("--noop", "", "exit status 0", "(noop)", "401 invalid_token")
	w.expectListing(nil)
	w.expectCatalog("", "", "exit status 2", "200 "+keyDeploy)
	w.expectCatalog("", "", "exit status 0", "200 "+keyDeploy)
	if err := os.WriteFile(w.drop+"/deploy.yaml", []byte(noDeploy), 0o600); err != nil {
		t.Fatal(err)
	}
	w.awaitVerdict(tokenDeploy, "401 invalid_token")
	for _, code := range []string{"exit status 6", "exit status 4"} { // what has failed is not forgotten
		out := w.expectCatalog("", `tokendrop::manifest { "bad.yaml": content => Sensitive("`+badSecret+`") }`, code, "no such token", "200 "+keyDeploy)
		if strings.Contains(out, tokenB[24:]) {
			t.Errorf("a secret in\n%s", out)
		}
	}
}

// badSecret is a manifest that fails, and has a secret in it.
const badSecret = `tokens: [{action: create, user: u, name: n, token: ` + tokenB + `}, {action: enable, user: ci, name: nothing}]`

// expectCatalog applies the site of the example, and more, and expects these in
// what Puppet prints, its exit code, or what verify says.
func (w *workshop) expectCatalog(args, more string, want ...string) string {
	w.t.Helper()
	run := writer{name: "puppet", script: `
{ echo "Tokendrop::Manifest { drop => '$DROP', config => '$ROOT/tokendrop.toml', group => 'root' }"; cat "$EXAMPLES/puppet/site.pp"; } > "$ROOT/site.pp"
cat >> "$ROOT/site.pp" <<'EOF'
` + more + `
EOF
code=0
` + puppet + ` --modulepath "$EXAMPLES/puppet/modules" ` + args + ` "$ROOT/site.pp" || code=$?
echo "exit status $code"`}
	return w.expectRun(&run, want)
}

// expectRun runs a writer that prints its exit code, and expects all of these in
// what it prints, or of verify about the examples' token.
func (w *workshop) expectRun(run *writer, want []string) string {
	w.t.Helper()
	out, _ := w.write(run)
	verdict := w.verify(tokenDeploy)
	for _, text := range want {
		if !strings.Contains(out, text) && text != verdict {
			w.t.Errorf("no %s, and verify says %s\n%s", text, verdict, out)
		}
	}
	return out
}
