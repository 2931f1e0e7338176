package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Each manifest of examples/first-startup does what its README says.
func TestFirstStartupExample(t *testing.T) {
	dir := moduleRoot + "/examples/first-startup/"
	creates, err := filepath.Glob(dir + "create*")
	if err != nil || len(creates) != 4 {
		t.Fatalf("examples: %v, %v", creates, err)
	}
	for _, create := range creates {
		t.Run(filepath.Base(create), func(t *testing.T) {
			m := newMachine(t)
			m.dropFile(create)
			m.start()
			if got := m.verify(tokenA); got != "200 "+keyA {
				t.Errorf("verify says %s", got)
			}
			for _, step := range []struct{ file, want string }{
				{"update.yaml", "200 " + keyA},
				{"delete.yaml", "401 invalid_token"},
			} {
				name := m.dropFile(dir + step.file)
				if got := m.outcome(name); got != "removed" {
					t.Errorf("%s: %s", name, got)
				}
				if got := m.verify(tokenA); got != step.want {
					t.Errorf("after %s verify says %s, want %s", name, got, step.want)
				}
			}
		})
	}
}

// dropFile drops a copy of a file.
func (m *machine) dropFile(path string) (name string) {
	m.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put(filepath.Base(path), string(text))
	return filepath.Base(path)
}
