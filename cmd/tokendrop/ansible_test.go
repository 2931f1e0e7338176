package main

import (
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
	w := newWorkshop(t)
	w.start()
	w.expectPlay("--check --diff", "changed=2", "failed=0", "+    name: deploy", "401 invalid_token")
	w.expectPlay("", "changed=3", "failed=0", "200 "+keyDeploy)
	w.expectPlay("", "changed=0", "failed=0", "200 "+keyDeploy)
	w.install("other.yaml", noDeploy)
	w.expectPlay("", "changed=1", "failed=0", "200 "+keyDeploy)
	w.expectBadPlays()
}

// expectBadPlays are the same for both kinds of directories.
func (w *workshop) expectBadPlays() {
	w.t.Helper()
	secret := `{"name": "secret.yaml", "secret": true, "content": "tokens: [{action: ensure, user: u, name: n, token: '` + tokenB + `'}]\n"}`
	out := w.expectPlay(`--diff -v -e '{"tokendrop_manifests": [`+secret+`]}'`, "failed=0")
	if got := w.verify(tokenB); got != "200 "+keyB || strings.Contains(out, tokenB[:24]) {
		w.t.Errorf("verify says %s of a secret in\n%s", got, out)
	}
	bad := `{"name": "bad.yaml", "content": "tokens: [{action: enable, user: ci, name: nothing}]\n"}`
	w.expectPlay(`-e '{"tokendrop_manifests": [`+bad+`]}'`, "failed=1", "bad.yaml", "no such token")
}

// expectPlay runs the playbook of the example and expects that it prints all of
// these, or that verify says so of the token.
func (w *workshop) expectPlay(args string, want ...string) string {
	w.t.Helper()
	play := writer{name: "play", script: ansible + `
cd "$EXAMPLES/ansible"
ansible-playbook -i localhost, -c local site.yml ` + args + ` -e "tokendrop_drop=$DROP tokendrop_staging=$ROOT/staging" \
	-e "tokendrop_config=$ROOT/tokendrop.toml tokendrop_group=root tokendrop_after_apply=$AFTER"`}
	out, _ := w.write(&play) // the recap tells
	verdict := w.verify(tokenDeploy)
	for _, text := range want {
		if !strings.Contains(out, text) && text != verdict {
			w.t.Errorf("ansible-playbook %s: no %s, and verify says %s\n%s", args, text, verdict, out)
		}
	}
	return out
}
