package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every command that people are shown has a manual page, and mandoc likes it.
func TestManualPages(t *testing.T) {
	requireTool(t, "mandoc")
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if code := run(t.Context(), []string{"man", dir}); code != exitDone {
		t.Fatal(code)
	}
	pages, err := filepath.Glob(dir + "/tokendrop*.1")
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	said, _ := exec.Command("mandoc", append([]string{"-T", "lint"}, pages...)...).CombinedOutput() // its lines tell
	for line := range strings.Lines(string(said)) {
		if !strings.Contains(line, "referenced manual not found: Xr tokendrop") { // they are not installed
			t.Error(line)
		}
	}
	shown, err := exec.Command("mandoc", "-T", "ascii", dir+"/tokendrop-apply.1").Output()
	if err != nil || !strings.Contains(string(shown), "November 14, 2023") || !strings.Contains(string(shown), "generate-tokens | tokendrop apply") {
		t.Errorf("%s, %v", shown, err)
	}
}
