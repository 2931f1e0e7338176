package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The token of the manifests in the examples of configuration management.
const (
	tokenDeploy = "ZhfhyFm4RkWpX7PVsSn9bL7iw0QXhZh5qQItsDOIyjg="
	keyDeploy   = "6617e1c8-59b8-4645-a95f-b3d5b129fd6c"
)

// noDeploy is what somebody else does meanwhile.
const noDeploy = "tokens:\n- {action: delete, user: ci, name: deploy}\n"

// The role, in a directory whose files are renamed: what is so already is not
// dropped again, and what is not so any more is.
func TestAnsibleExampleRename(t *testing.T) {
	requireWriters(t, []writer{ansibleWriter})
	t.Parallel()
	w := newWorkshop(t)
	w.start()
	w.expectPlay("", "changed=3", "failed=0", "200 "+keyDeploy)
	w.expectPlay("", "changed=0", "failed=0", "200 "+keyDeploy)
	w.install("other.yaml", noDeploy)
	w.expectPlay("", "changed=1", "failed=0", "200 "+keyDeploy)
	w.expectPlay(badVars, "failed=1", "bad.yaml", "no such token")
}

// The role, in a directory whose files stay.
func TestAnsibleExample(t *testing.T) {
	requireWriters(t, []writer{ansibleWriter})
	t.Parallel()
	w := newWorkshop(t, keepFiles)
	w.expectCommands("ansible", "ansible-playbook -i hosts -b site.yml --check --diff", "ansible-playbook -i hosts -b site.yml")
	w.start()
	w.expectPlay("--check --diff", "changed=1", "failed=0", "+    name: deploy", "401 invalid_token")
	w.expectListing(nil)
	w.expectPlay("", "changed=1", "failed=0", "200 "+keyDeploy)
	w.expectPlay("", "changed=0", "failed=0", "200 "+keyDeploy)
	path := filepath.Join(w.drop, "deploy.yaml")
	if err := os.WriteFile(path, []byte(noDeploy), 0o600); err != nil {
		t.Fatal(err)
	}
	w.awaitVerdict(tokenDeploy, "401 invalid_token")
	w.expectPlay("", "changed=1", "failed=0", "200 "+keyDeploy)
	w.expectListing([]string{"deploy.yaml"})
	out := w.expectPlay(secretVars, "changed=2", "failed=0", "secret.yaml")
	if got := w.verify(tokenB); got != "200 "+keyB || strings.Contains(out, tokenB[24:]) {
		t.Errorf("verify says %s of a secret in\n%s", got, out)
	}
	w.expectListing([]string{"secret.yaml"})
	w.expectPlay(badVars, "failed=1", "bad.yaml", "no such token")
}

// What the role is given in the place of the example's manifest.
const (
	secretVars = `--diff -vv -e '{"tokendrop_manifests": [{"name": "deploy.yaml", "state": "absent"}, {"name": "secret.yaml", "secret": true,
		"content": "tokens: [{action: ensure, user: u, name: n, token: ` + tokenB + `}]\n"}]}'`
	badVars = `-e '{"tokendrop_manifests": [{"name": "bad.yaml", "content": "tokens: [{action: enable, user: ci, name: nothing}]\n"}]}'`
)

// expectPlay runs the playbook of the example and expects that it prints all of
// these, or that verify says so of the token.
func (w *workshop) expectPlay(args string, want ...string) string {
	w.t.Helper()
	play := writer{name: "play", script: ansible + `
cd "$EXAMPLES/ansible"
ansible-playbook -i localhost, -c local site.yml ` + args + ` -e "tokendrop_drop=$DROP tokendrop_staging=$ROOT/staging" \
	-e "tokendrop_config=$ROOT/tokendrop.toml tokendrop_group=root tokendrop_after_apply=$AFTER"`}
	return w.expectRun(&play, want)
}
