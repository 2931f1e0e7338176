package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/patches"
)

// manifest is a file that was named on the command line, or found in a
// directory that was.
type manifest struct {
	file string // as messages call it
	name string // tells its syntax
	data []byte
	// exposed: others can read the file.
	exposed bool
	// leftAlone is why a drop directory would not have it for a patch; nothing
	// else is known of it then.
	leftAlone string
}

// notPlain says of what is no regular file why it is left alone.
const notPlain = "it is not a regular file"

// manifests reads what the arguments name.
type manifests struct {
	stdin  io.Reader
	syntax string // of stdin
	found  []manifest
	errs   []error
}

// syntaxFlag adds the flag that goes with "-".
func (m *manifests) syntaxFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.syntax, "format", "yaml", "what - reads from stdin: yaml, toml or json")
}

// check refuses a format that there is not.
func (m *manifests) check(c *cli) error {
	if !slices.Contains([]string{"yaml", "toml", "json"}, m.syntax) {
		return c.usage("--format must be one of yaml, toml, json")
	}
	return nil
}

// read reads files, "-" as stdin, and directories as a drop directory is read.
// What could be read is returned beside the errors of what could not.
func (m *manifests) read(args []string) ([]manifest, error) {
	for _, arg := range args {
		switch {
		case arg == "-":
			data, err := io.ReadAll(m.stdin)
			m.add(manifest{file: arg, name: arg + "." + m.syntax, data: data}, err)
		case isDir(arg):
			m.directory(arg)
		default:
			m.add(readManifest(arg))
		}
	}
	return m.found, errors.Join(m.errs...)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (m *manifests) add(one manifest, err error) {
	if err != nil {
		m.errs = append(m.errs, fmt.Errorf("reading a manifest: %w", err))
		return
	}
	m.found = append(m.found, one)
}

// directory reads the patches of a directory in the order in which they would
// be applied.
func (m *manifests) directory(root string) {
	first := len(m.found)
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			m.add(manifest{}, err)
		case path == root:
		case d.IsDir():
			return m.folder(path)
		default:
			m.entry(path, d)
		}
		return nil // the errors are kept
	})
	slices.SortFunc(m.found[first:], func(a, b manifest) int { return strings.Compare(a.file, b.file) })
}

func (m *manifests) folder(path string) error {
	ok, why := patches.EligibleFolder(filepath.Base(path))
	if why != "" {
		m.add(manifest{file: path, leftAlone: why}, nil)
	}
	if !ok {
		return fs.SkipDir
	}
	return nil
}

func (m *manifests) entry(path string, d fs.DirEntry) {
	ok, why := patches.Eligible(d.Name())
	if ok && !d.Type().IsRegular() {
		why = notPlain
	}
	switch {
	case why != "":
		m.add(manifest{file: path, leftAlone: why}, nil)
	case ok:
		m.add(readManifest(path))
	}
}

func readManifest(path string) (manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return manifest{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return manifest{}, err
	}
	data, err := io.ReadAll(f)
	return manifest{file: path, name: path, data: data, exposed: readableByAll(info.Mode())}, err
}
