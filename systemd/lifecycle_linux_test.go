package systemd_test

import (
	"strings"
	"testing"
)

// The admin socket and an output are given to a group: with the lines that the
// errors name, and without them where a directory passes its group on.
func group(t *testing.T, m *booted) {
	const dropIn = "/etc/systemd/system/tokendrop.service.d/group.conf"
	m.run("cp /etc/tokendrop/tokendrop.toml /root/kept.toml; groupadd app; install -d -o tokendrop /srv/app; install -d -o tokendrop -g app -m 2750 /srv/passed-on")
	m.run("printf '[Service]\\nReadWritePaths=/srv\\n' > " + dropIn + "; systemctl daemon-reload")
	m.run(`printf '[[drop]]\nname = "spool"\npath = "/var/spool/tokendrop"\noutput_dirs = ["/srv"]\n' >> /etc/tokendrop/tokendrop.toml; systemctl restart tokendrop`)
	writes := func(name, dir string) string {
		m.put("var/spool/tokendrop/"+name+".yaml", "tokens:\n  - {action: create, user: app, name: "+name+
			", generate: true, write_to: {path: /srv/"+dir+"/"+name+", group: app, mode: '0640'}}\n")
		return m.run("tokendrop apply --wait /var/spool/tokendrop || true; cat /var/spool/tokendrop/" + name + ".yaml.failed.reason 2>/dev/null || stat -c '%U %G %a' /srv/" + dir + "/" + name)
	}
	if out := writes("passed-on", "passed-on"); !strings.HasSuffix(out, "tokendrop app 640") {
		t.Errorf("where the directory passes its group on: %s", out)
	}
	const filter, groups = "SystemCallFilter=@chown", "SupplementaryGroups="
	if out := writes("refused", "app"); !strings.Contains(out, filter) || !strings.Contains(out, groups) {
		t.Errorf("the reason does not say what to add: %s", out)
	}
	m.run(`printf '[admin]\ngroup = "app"\n' >> /etc/tokendrop/tokendrop.toml`)
	if out, err := m.try("systemctl restart tokendrop"); err == nil {
		t.Errorf("without a drop-in: %s", out)
	}
	if log := m.run("systemctl stop tokendrop; journalctl --no-pager -u tokendrop -n 20"); !strings.Contains(log, filter) || !strings.Contains(log, groups+"app") {
		t.Errorf("the log does not say what to add: %s", log)
	}
	m.run("printf '" + groups + "app\\n" + filter + "\\n' >> " + dropIn + "; systemctl daemon-reload; systemctl reset-failed tokendrop; systemctl start tokendrop")
	if got := m.run("stat -c '%U %G %a' /run/tokendrop/admin/sock"); got != "tokendrop app 660" {
		t.Errorf("the admin socket is %s", got)
	}
	if out := writes("given", "app"); !strings.HasSuffix(out, "tokendrop app 640") {
		t.Errorf("with the drop-in: %s", out)
	}
	m.run("rm " + dropIn + "; systemctl daemon-reload; cp /root/kept.toml /etc/tokendrop/tokendrop.toml; systemctl restart tokendrop")
}

// What is removed leaves its tokens, and finds them when it is installed again;
// an older version, too, where it knows the format.
func remove(t *testing.T, m *booted) {
	m.run("apt-get remove -y tokendrop; ! test -e /usr/bin/tokendrop")
	if out, err := m.try("systemctl is-active tokendrop.service tokendrop-verify.socket"); err == nil || strings.Contains(out, "\nactive") {
		t.Errorf("after it was removed: %s", out)
	}
	m.run("dpkg -i /root/1.0.1.deb; systemctl start tokendrop")
	if code := m.says(rootsToken); code != "200" {
		t.Errorf("after it was removed and installed verify says %s", code)
	}
	if got := m.run("systemctl is-enabled tokendrop.service tokendrop-verify.socket"); got != "enabled\nenabled" {
		t.Errorf("they are %s", got)
	}
	pid := m.property("MainPID")
	m.run("dpkg -i /root/1.0.0.deb; tokendrop version | grep v1.0.0")
	m.until("the older version runs", func() bool { return m.property("MainPID") != pid && m.says(rootsToken) == "200" })
}

// What is purged is gone, but for what the test itself has put there, and what
// is mounted.
func purge(t *testing.T, m *booted) {
	const mounted = "/var/spool/tokendrop/mounted"
	m.run("mkdir " + mounted + "; mount -t tmpfs none " + mounted + "; touch " + mounted + "/kept")
	m.run("apt-get purge -y tokendrop; systemctl daemon-reload")
	m.run("test -e " + mounted + "/kept; umount " + mounted + "; rmdir " + mounted + " /var/spool/tokendrop")
	left := m.run("find / -xdev -name '*tokendrop*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/root/*' -not -path '/var/log/*' -not -path '/var/cache/*' 2>/dev/null || true")
	for line := range strings.Lines(left) {
		if strings.TrimSpace(line) != "/etc/systemd/system/tokendrop.service.d" && strings.TrimSpace(line) != "/etc/tokendrop" {
			t.Errorf("left: %s", line)
		}
	}
}

// A new installation after a purge knows nothing of the first one.
func onceMore(t *testing.T, m *booted) {
	m.run("rm -r /etc/systemd/system/tokendrop.service.d; systemctl daemon-reload; dpkg -i /root/1.0.1.deb; systemctl start tokendrop")
	if code := m.says(rootsToken); code != "401" {
		t.Errorf("after a purge verify says %s", code)
	}
	if got, _ := m.try("systemctl is-enabled tokendrop.service tokendrop-verify.socket"); got != "enabled\ndisabled" {
		t.Errorf("they are %s", got)
	}
	m.put("var/spool/tokendrop/first.yaml", rootsPatch)
	m.until("root's file is applied", func() bool { return m.says(rootsToken) == "200" })
}
