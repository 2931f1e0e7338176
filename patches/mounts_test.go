package patches

import (
	"fmt"
	"os"
	"testing"
)

// How a container sees its mounts, from proc_pid_mountinfo(5) and a cluster.
func TestNeverUpdated(t *testing.T) {
	const around = `
1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw
20 1 0:20 / /proc rw - proc proc rw
garbled
`
	for name, tt := range map[string]struct{ lines, want string }{
		"no mount": {"", "[]"},
		"a volume": {"30 1 0:30 / /srv/drop ro - tmpfs tmpfs rw", "[]"},
		"a volume on the node's disk": {
			"30 1 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~configmap/x /srv/drop ro - ext4 /dev/sda1 rw", "[]",
		},
		"a file of a volume": {
			"30 1 0:30 /..2027_01_31_23_59_59.1/a.yaml /srv/drop/a.yaml ro - tmpfs tmpfs rw", "[/srv/drop/a.yaml]",
		},
		"which has been swapped": {
			"30 1 0:30 /..2027_01_31_23_59_59.1/a.yaml//deleted /srv/drop/a.yaml ro - tmpfs tmpfs rw", "[/srv/drop/a.yaml]",
		},
		"a file on the node's disk": {
			"30 1 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~configmap/x/..2027_1/a.yaml /srv/drop/sub/a.yaml ro - ext4 /dev/sda1 rw",
			"[/srv/drop/sub/a.yaml]",
		},
		"a directory of a volume":   {"30 1 0:30 /..2027_1/sub /srv/drop ro - tmpfs tmpfs rw", "[/srv/drop]"},
		"around the directory":      {"30 1 0:30 /..2027_1 /srv ro - tmpfs tmpfs rw", "[/srv]"},
		"covered by another":        {"30 1 0:30 /..2027_1 /srv ro - tmpfs tmpfs rw\n31 30 0:31 / /srv/drop ro - tmpfs tmpfs rw", "[]"},
		"covered at the same place": {"30 1 0:30 /..2027_1 /srv ro - tmpfs tmpfs rw\n31 30 0:31 / /srv ro - tmpfs tmpfs rw", "[]"},
		"a directory of a disk":     {"30 1 0:30 /team/a /srv/drop rw - ext4 /dev/sdb1 rw", "[]"},
		"elsewhere":                 {"30 1 0:30 /..2027_1/a.yaml /srv/drop2/a.yaml ro - tmpfs tmpfs rw", "[]"},
		"with spaces":               {`30 1 0:30 /..2027_1/a\040b.yaml /srv/drop/a\040b.yaml ro - tmpfs tmpfs rw`, "[/srv/drop/a b.yaml]"},
		"no escape":                 {`30 1 0:30 /..2027_1/a\9.yaml /srv/drop/a\9 ro - tmpfs tmpfs rw`, `[/srv/drop/a\9]`},
		"two of them":               {"30 1 0:30 /..2027_1/b /srv/drop/b ro - a a a\n31 1 0:30 /..2027_1/a /srv/drop/a ro - a a a", "[/srv/drop/a /srv/drop/b]"},
	} {
		if got := fmt.Sprint(neverUpdated(parseMounts(around+tt.lines), "/srv/drop")); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("30 1 0:30 /..2027_1/a\\040b.yaml /srv/drop ro - tmpfs tmpfs rw\n")
	if text, err := os.ReadFile(mountInfo); err == nil {
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseMounts(text) {
			if m.root == "" || m.point == "" {
				t.Errorf("%q has a mount without a path", text)
			}
		}
		neverUpdated(parseMounts(text), "/srv/drop")
	})
}
