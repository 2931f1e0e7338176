package systemd_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	rootsToken = "b765L5rYQO+vuQW+tWZZ4nYIp3/Qv2wk2Z27fNtmgOY="
	rootsPatch = "tokens:\n  - {action: create, user: /users/root, name: first, token: \"" + rootsToken + "\"}\n"
)

// session is what README.md tells a new user to type, and the answer.
func session(t *testing.T) (script, answer string) {
	t.Helper()
	m := regexp.MustCompile("(?s)## Install\n.*?```text\n(.*?)```").FindStringSubmatch(read(t, "../README.md"))
	if m == nil {
		t.Fatal("README.md has no session under Install")
	}
	for line := range strings.Lines(m[1]) {
		if command, ok := strings.CutPrefix(line, "# "); ok {
			script += command
		} else {
			answer += line
		}
	}
	return script, strings.TrimSpace(answer)
}

// The package in a machine of its own, from the first installation to the last
// trace. The steps build on each other.
func TestInstalled(t *testing.T) {
	m := boot(t)
	for _, version := range []string{"1.0.0", "1.0.1"} {
		m.put("root/"+version+".deb", read(t, build(t, version, "amd64")+"/tokendrop.deb"))
	}
	m.run("cp /root/1.0.0.deb /root/tokendrop.deb")
	for _, step := range []struct {
		name string
		do   func(*testing.T, *booted)
	}{
		{"as README.md says", asReadme},
		{"a file of root's", rootsFile},
		{"reload", reloads},
		{"watchdog", watchdog},
		{"credential", credential},
		{"socket activation", socketActivation},
		{"upgrade", upgrade},
		{"a group", group},
		{"remove", remove},
		{"another format", anotherFormat},
		{"purge", purge},
		{"once more", onceMore},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			m.t = t
			step.do(t, m)
		}) {
			break
		}
	}
	m.t = t
}

func asReadme(t *testing.T, m *booted) {
	script, answer := session(t)
	began := time.Now()
	out := m.run("cd /root; " + script)
	if !strings.HasSuffix(out, "\n"+answer) {
		t.Errorf("%s\nwant at its end: %s", out, answer)
	}
	t.Logf("from the package to a yes in %.1f s", time.Since(began).Seconds())
	if state := m.property("StatusText"); state != "ready; 1 token" {
		t.Errorf("the status is %q", state)
	}
}

func rootsFile(_ *testing.T, m *booted) {
	m.put("var/spool/tokendrop/first.yaml", rootsPatch) // 0600
	m.until("root's file is applied", func() bool { return m.says(rootsToken) == "200" })
	m.run("test -e /var/spool/tokendrop/first.yaml.installed")
}

// What is wrong fails the reload, and changes nothing; what is right is in force.
func reloads(t *testing.T, m *booted) {
	m.run("cp /etc/tokendrop/tokendrop.toml /root/kept.toml; echo '[log]\nlevel = \"nonsense\"' >> /etc/tokendrop/tokendrop.toml")
	if out, err := m.try("systemctl reload tokendrop"); err == nil {
		t.Errorf("a wrong configuration is reloaded: %s", out)
	}
	m.until("what is wrong is said", func() bool {
		return strings.Contains(m.run("journalctl --no-pager -u tokendrop"), "nothing has changed") && m.property("ActiveState") == "active"
	})
	if code := m.says(rootsToken); code != "200" {
		t.Errorf("after a wrong configuration verify says %s", code)
	}
	m.run("systemctl restart tokendrop || true")
	if got := m.property("ExecMainStatus") + m.property("NRestarts"); got != "780" {
		t.Errorf("exit code and restarts are %s, want 78 and none", got)
	}
	m.run("cp /root/kept.toml /etc/tokendrop/tokendrop.toml; systemctl start tokendrop")
	m.run("echo '[[verify.gates]]\nname = \"default\"\naudience = \"other\"' >> /etc/tokendrop/tokendrop.toml; systemctl reload tokendrop")
	m.until("the gate is of another audience", func() bool { return m.says(rootsToken) == "403" })
	m.run("cp /root/kept.toml /etc/tokendrop/tokendrop.toml; systemctl reload tokendrop")
	m.until("the gate is as it was", func() bool { return m.says(rootsToken) == "200" })
}

// A process that stands still is ended and started anew.
func watchdog(_ *testing.T, m *booted) {
	m.run("mkdir -p /run/systemd/system/tokendrop.service.d; printf '[Service]\\nWatchdogSec=4s\\nRestartSec=100ms\\n' > /run/systemd/system/tokendrop.service.d/w.conf; systemctl daemon-reload; systemctl restart tokendrop")
	pid := m.property("MainPID")
	m.run("kill -STOP " + pid)
	m.until("it was started anew", func() bool { return m.property("MainPID") != pid && m.says(rootsToken) == "200" })
	m.run("journalctl --no-pager -u tokendrop | grep -q 'Watchdog timeout'")
	m.run("rm /run/systemd/system/tokendrop.service.d/w.conf; systemctl daemon-reload; systemctl restart tokendrop")
}

// Root's file becomes the daemon's pepper. With it, records are kept so that
// they are good for nothing without.
func credential(t *testing.T, m *booted) {
	m.put("etc/tokendrop/pepper", "ZnJvbSB0aGUgdGVzdCwgYW5kIG5vdGhpbmcgZWxzZQ==\n")
	m.run("mkdir -p /etc/systemd/system/tokendrop.service.d; printf '[Service]\\nLoadCredential=pepper:/etc/tokendrop/pepper\\n' > /etc/systemd/system/tokendrop.service.d/pepper.conf; systemctl daemon-reload")
	m.run("printf '[tokens]\\npepper_files = [\"/run/credentials/tokendrop.service/pepper\"]\\n' >> /etc/tokendrop/tokendrop.toml; systemctl restart tokendrop")
	if code := m.says(rootsToken); code != "200" {
		t.Errorf("with a pepper verify says %s", code)
	}
}

// Who asks while nothing runs waits, and starts it.
func socketActivation(t *testing.T, m *booted) {
	m.run("systemctl stop tokendrop; systemctl enable --now tokendrop-verify.socket")
	if state := m.property("ActiveState"); state != "inactive" {
		t.Errorf("before anybody asks it is %s", state)
	}
	m.until("verify answers", func() bool { return m.says(rootsToken) == "200" })
	m.run("tokendrop status; systemctl stop tokendrop-verify.socket tokendrop; systemctl start tokendrop")
}

func upgrade(t *testing.T, m *booted) {
	before, pid := m.run("tokendrop list -o json | grep -c '\"key\"' || true; tokendrop list"), m.property("MainPID")
	m.run("echo '# kept' >> /etc/tokendrop/tokendrop.toml; dpkg -i /root/1.0.1.deb")
	m.until("the new version runs", func() bool { return m.property("MainPID") != pid && m.says(rootsToken) == "200" })
	if version := m.run("tokendrop version"); !strings.Contains(version, "v1.0.1") {
		t.Errorf("the version is %s", version)
	}
	after := m.run("tokendrop list -o json | grep -c '\"key\"' || true; tokendrop list")
	if !strings.Contains(after, "/users/root") || strings.Count(after, "\n") != strings.Count(before, "\n") {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	m.run("grep -q '# kept' /etc/tokendrop/tokendrop.toml")
}

// A store that another version has written is refused, once.
func anotherFormat(t *testing.T, m *booted) {
	const stored = "store/store.go"
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	later := filepath.Join(t.TempDir(), "store.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(top, stored): later}})
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Replace(read(t, filepath.Join(top, stored)), "\nconst Format = ", "\nconst Format = 1000 + ", 1)
	for path, text := range map[string]string{later: source, later + ".json": string(overlay)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", later+".json", "-buildvcs=false", "-o", m.root+"/root/later", "./cmd/tokendrop")
	cmd.Dir, cmd.Env = top, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.run("systemctl stop tokendrop; rm -rf /var/lib/tokendrop/store*")
	m.put("var/spool/tokendrop/first.yaml", rootsPatch) // or nothing would be stored
	m.run("mv /usr/bin/tokendrop /root/now; install -m 755 /root/later /usr/bin/tokendrop; systemctl start tokendrop; systemctl stop tokendrop; mv /root/now /usr/bin/tokendrop")
	if out, err := m.try("systemctl start tokendrop"); err == nil {
		t.Errorf("it has started: %s", out)
	}
	if got := m.property("ExecMainStatus") + m.property("NRestarts"); got != "780" {
		t.Errorf("exit code and restarts are %s, want 78 and none", got)
	}
}
