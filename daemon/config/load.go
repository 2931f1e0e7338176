package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	defaultFile = "/etc/tokendrop/tokendrop.toml"
	maxFile     = 1 << 20 // bytes
)

// Load reads the file at path, or, where path is empty, the one that
// $TOKENDROP_CONFIG names, or the packaged one if it is there, and then env,
// which is like os.Environ(). It returns an *Error for whatever is wrong.
func Load(path string, env []string) (*Config, error) {
	path, src, err := find(path, env)
	if err != nil {
		return nil, &Error{[]Problem{{Place{Source: path}, err.Error()}}}
	}
	return parse(path, src, env)
}

// parse is Load without the file system. No path means that there is no file.
func parse(path, src string, env []string) (*Config, error) {
	r := newReading(path)
	r.file(src)
	r.environment(env)
	r.check()
	if len(r.problems) > 0 {
		sortProblems(r.problems)
		return nil, &Error{r.problems}
	}
	return r.config, nil
}

// find reads the file that is to be used. That a file is missing is an error
// where somebody has named it.
func find(path string, env []string) (string, string, error) {
	if path == "" {
		path = variable(env, configVariable)
	}
	named := path != ""
	if !named {
		path = defaultFile
	}
	src, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "", "", nil
	}
	return path, src, err
}

// readFile reads a file of limited size. Its error does not name the file.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", unreadable(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", unreadable(err)
	}
	if len(src) > maxFile {
		return "", fmt.Errorf("a configuration is at most %s long", formatUnit(int64(maxFile), sizeUnits))
	}
	return string(src), nil
}

func unreadable(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("reading the configuration: %w", err)
}

// variable finds a variable's value in env, empty if it is not there.
func variable(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
