package provision

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSecretFile is more than any token has, and what is around it.
const maxSecretFile = 4 << 10

// readFile reads the file of a "token_file".
func (r *resolver) readFile(path string) (text, problem string) {
	if len(r.rules.SecretDirs) == 0 {
		return "", `manifests here may read no files; "secret_dirs" in the configuration of the drop directory lists the directories beneath which they may`
	}
	for _, dir := range r.rules.SecretDirs {
		if rel, ok := beneath(path, dir); ok {
			return r.readBeneath(dir, rel)
		}
	}
	return "", `"token_file" is not beneath one of the directories that manifests here may read; "secret_dirs" in the configuration of the drop directory lists them`
}

// readBeneath reads a file in a directory. Links are followed as long as they
// stay in it, because volumes of Kubernetes are made of such. Whatever is there
// is opened without waiting, and judged by what was opened.
func (r *resolver) readBeneath(dir, rel string) (text, problem string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", unreadable(err)
	}
	defer func() { _ = root.Close() }() // nothing was written
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", unreadable(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", unreadable(err)
	case !info.Mode().IsRegular():
		return "", `"token_file" is no regular file; write the token into one`
	case r.forbidden.covers(info, filepath.Join(dir, rel)):
		return "", `"token_file" is a file of tokendrop's own, which no manifest may read`
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return "", unreadable(err)
	case len(data) > maxSecretFile:
		return "", `the file of "token_file" is larger than 4 KiB; it holds one token, and nothing else`
	}
	return string(data), ""
}

// unreadable says why a file cannot be read, without its name.
func unreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return `the file of "token_file" is not there; create it before this manifest is dropped`
	case errors.Is(err, fs.ErrPermission):
		return `the daemon may not read the file of "token_file"; let its user read it`
	}
	return fmt.Sprintf(`the file of "token_file" cannot be read (%s); no link on the way to it may lead out of its directory`, bare(err))
}

// bare is the error of the system, without the path that it is about.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// beneath is the path relative to a directory that it lies in.
func beneath(path, dir string) (rel string, ok bool) {
	return strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// forbidden are files and directories that no manifest reaches, however they
// are called.
type forbidden []fs.FileInfo

func (s *Settings) forbidden() forbidden {
	var f forbidden
	for _, path := range s.Forbidden {
		if info, err := os.Stat(path); err == nil {
			f = append(f, info)
		}
	}
	return f
}

// covers tells whether a file is one of these or lies in one. The file itself
// has been opened; its directories are those that its path leads to now.
func (f forbidden) covers(file fs.FileInfo, path string) bool {
	if f.has(file) {
		return true
	}
	path, err := filepath.EvalSymlinks(path)
	for err == nil && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		if info, err := os.Stat(path); err != nil || f.has(info) {
			return true
		}
	}
	return err != nil
}

func (f forbidden) has(file fs.FileInfo) bool {
	for _, one := range f {
		if os.SameFile(one, file) {
			return true
		}
	}
	return false
}
