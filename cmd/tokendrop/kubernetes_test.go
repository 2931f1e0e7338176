package main

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3" //nolint:depguard // what it reads is Kubernetes', and no manifest

	"github.com/tokendrop/tokendrop/daemon/config"
)

// deployment is all that the example's has: what else there is in it is an
// error. It is no check by the schema of Kubernetes, which comes with a library
// of its size.
type deployment struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	SecurityContext struct {
		RunAsNonRoot   bool              `yaml:"runAsNonRoot"`
		RunAsUser      int               `yaml:"runAsUser"`
		RunAsGroup     int               `yaml:"runAsGroup"`
		FSGroup        int               `yaml:"fsGroup"`
		SeccompProfile map[string]string `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container
	Volumes        []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
		EmptyDir struct{ Medium string } `yaml:"emptyDir"`
	}
}

type container struct {
	Name, Image   string
	Args          []string
	RestartPolicy string `yaml:"restartPolicy"`
	Ports         []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe    probe `yaml:"startupProbe"`
	LivenessProbe   probe `yaml:"livenessProbe"`
	Resources       map[string]map[string]string
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

// The pod, the configuration and the Secret of the example fit together.
func TestKubernetesExample(t *testing.T) {
	var d deployment
	strictYAML(t, "kubernetes/deployment.yaml", &d)
	pod := d.Spec.Template.Spec
	if len(pod.InitContainers) != 1 || d.Spec.Selector.MatchLabels["app"] != d.Spec.Template.Metadata.Labels["app"] {
		t.Fatalf("the deployment is %+v", d)
	}
	side, sec := pod.InitContainers[0], pod.InitContainers[0].SecurityContext
	if side.RestartPolicy != "Always" || !slices.Equal(side.Args, []string{"serve"}) {
		t.Errorf("no native sidecar that serves: %+v", side)
	}
	if user := pod.SecurityContext; !user.RunAsNonRoot || user.RunAsUser == 0 || user.RunAsGroup == 0 || user.FSGroup != user.RunAsGroup {
		t.Errorf("the pod's user: %+v", user)
	}
	if sec.AllowPrivilegeEscalation == nil || *sec.AllowPrivilegeEscalation || !sec.ReadOnlyRootFilesystem || !slices.Equal(sec.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container may too much: %+v", sec)
	}
	cfg, err := config.Load(examplesDir+"kubernetes/tokendrop.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkProbes(t, &side, cfg)
	checkVolumes(t, &pod, cfg)
}

func strictYAML(t *testing.T, file string, into any) {
	t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(exampleText(t, file)))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// checkProbes expects that the kubelet asks where the daemon answers.
func checkProbes(t *testing.T, side *container, cfg *config.Config) {
	t.Helper()
	if len(side.Ports) != 1 || cfg.Verify.Health.String() != fmt.Sprint(":", side.Ports[0].ContainerPort) {
		t.Errorf("ports %+v, and health is %q", side.Ports, cfg.Verify.Health)
	}
	for path, p := range map[string]probe{"/readyz": side.StartupProbe, "/healthz": side.LivenessProbe} {
		if p.HTTPGet.Path != path || p.HTTPGet.Port != side.Ports[0].Name {
			t.Errorf("a probe asks %+v, want %s", p.HTTPGet, path)
		}
	}
}

// checkVolumes expects every directory of the configuration where it is
// mounted, and what kustomize makes of the files.
func checkVolumes(t *testing.T, pod *podSpec, cfg *config.Config) {
	t.Helper()
	var k struct {
		Resources          []string
		GeneratorOptions   map[string]bool `yaml:"generatorOptions"`
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		} `yaml:"configMapGenerator"`
		SecretGenerator []struct {
			Name  string
			Files []string
		} `yaml:"secretGenerator"`
	}
	strictYAML(t, "kubernetes/kustomization.yaml", &k)
	where := map[string]string{}
	for _, v := range pod.Volumes {
		switch {
		case v.ConfigMap.Name == k.ConfigMapGenerator[0].Name:
			where[v.Name] = "/etc/tokendrop"
		case v.Secret.SecretName == k.SecretGenerator[0].Name:
			where[v.Name] = cfg.Drops[0].Path
		case v.EmptyDir.Medium != "":
			where[v.Name] = path.Dir(cfg.Admin.Socket)
		}
	}
	mounts := pod.InitContainers[0].VolumeMounts
	if len(where) != 3 || len(mounts) != 3 || cfg.Store.Backend != "memory" {
		t.Errorf("volumes %v, mounts %+v, store %q", where, mounts, cfg.Store.Backend)
	}
	for _, m := range mounts {
		if m.MountPath != where[m.Name] || m.ReadOnly == (m.MountPath == path.Dir(cfg.Admin.Socket)) {
			t.Errorf("volume %s is mounted on %s, want %s; read-only %v", m.Name, m.MountPath, where[m.Name], m.ReadOnly)
		}
	}
	if !k.GeneratorOptions["disableNameSuffixHash"] || k.ConfigMapGenerator[0].Files[0] != "tokendrop.toml" || k.SecretGenerator[0].Files[0] != "tokens.yaml" {
		t.Errorf("kustomization: %+v", k)
	}
}

// The daemon of the example is ready when the volume's manifest is applied, and
// follows its next generation.
func TestKubernetesExampleServes(t *testing.T) {
	m := newMachine(t)
	text := exampleText(t, "kubernetes/tokendrop.toml")
	health := freeAddress(t)
	m.configure(strings.NewReplacer("/var/spool/tokendrop", m.drop, "127.0.0.1:7575", "unix:"+m.root+"/verify.sock",
		":7576", health, "/run/tokendrop/admin.sock", m.root+"/admin.sock").Replace(text))
	manifest := exampleText(t, "kubernetes/tokens.yaml")
	m.generation("..one", manifest)
	m.start()
	resp, err := http.Get("http://" + health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := m.verify(tokenDeploy); resp.StatusCode != http.StatusOK || got != "200 "+keyDeploy {
		t.Errorf("readyz is %s, and verify says %s", resp.Status, got)
	}
	m.generation("..two", strings.Replace(manifest, "2099", "2020", 1))
	m.awaitVerdict(tokenDeploy, "401 expired")
	if _, err := os.Stat(m.drop + "/.tokendrop"); err == nil {
		t.Error("something was written into the volume")
	}
}

// exampleText is a file of an example.
func exampleText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(examplesDir + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// generation swaps the volume as the kubelet does.
func (m *machine) generation(name, manifest string) {
	m.t.Helper()
	dir := filepath.Join(m.drop, name)
	steps := []error{
		os.Mkdir(dir, 0o755),
		os.WriteFile(dir+"/tokens.yaml", []byte(manifest), 0o440),
		os.Symlink(name, m.drop+"/..data_tmp"),
		os.Rename(m.drop+"/..data_tmp", m.drop+"/..data"),
	}
	if _, err := os.Lstat(m.drop + "/tokens.yaml"); os.IsNotExist(err) {
		steps = append(steps, os.Symlink("..data/tokens.yaml", m.drop+"/tokens.yaml"))
	}
	for _, err := range steps {
		if err != nil {
			m.t.Fatal(err)
		}
	}
}
