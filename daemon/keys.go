package daemon

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/seal"
	"github.com/tokendrop/tokendrop/store/token"
)

// The keys of the configuration that name files with secrets.
const (
	pepperKey     = "tokens.pepper_files"
	encryptionKey = "tokens.encryption_key_files"
	importKey     = "tokens.import"
	bearerKey     = "introspect.token_file"
)

const (
	// maxKeyFile is more than any pepper, key or salt needs.
	maxKeyFile = 64 << 10
	// openBits are those of a file that others than its owner and its group
	// can do something with, or that its group can change.
	openBits = 0o027
)

// keys are what the files of [tokens] hold.
type keys struct {
	ring token.Keyring
	seal seal.Keys
}

// readKeys reads the files that the configuration names. Its error is a
// *config.Error with every file that cannot be used, and nothing of what is in
// them.
func readKeys(cfg *config.Config) (keys, error) {
	r := keyReader{source: cfg.File}
	var peppers, secrets [][]byte
	for _, path := range cfg.Tokens.PepperFiles {
		peppers = append(peppers, withoutNewline(r.read(pepperKey, path)))
	}
	for _, path := range cfg.Tokens.EncryptionKeyFiles {
		secrets = append(secrets, r.encryptionKey(path))
	}
	salts := make(map[string][]byte)
	for id, path := range cfg.Tokens.Imports {
		salts[id] = withoutNewline(r.read(importKey+"."+id+".salt_file", path))
	}
	if err := r.failed(); err != nil {
		return keys{}, err
	}
	var k keys
	var err error
	if k.ring, err = token.NewKeyring(peppers, salts); err != nil {
		r.problem(pepperKey, err.Error())
	}
	if k.seal, err = seal.NewKeys(rand.Reader, secrets...); err != nil {
		r.problem(encryptionKey, err.Error())
	}
	return k, r.failed()
}

// readBearer reads what whoever introspects has to present: the zero Bearer,
// which is nobody's, where nobody may. Its error is like that of readKeys.
func readBearer(cfg *config.Config) (bearer verify.Bearer, err error) {
	path := cfg.Introspect.TokenFile
	if path == "" {
		return verify.Bearer{}, nil
	}
	r := keyReader{source: cfg.File}
	if data := r.read(bearerKey, path); data != nil {
		if bearer, err = verify.NewBearer(string(withoutNewline(data))); err != nil {
			r.problem(bearerKey, path+" holds no bearer token: "+err.Error()+", as \"openssl rand -base64 32\" makes one")
		}
	}
	return bearer, r.failed()
}

// settings are what the configuration says of manifests, with the keys.
func (k keys) settings(cfg *config.Config) provision.Settings {
	s := cfg.Manifests()
	s.Keys, s.Seal = k.ring, k.seal
	return s
}

// keyReader reads files with secrets, and collects what is wrong with them.
type keyReader struct {
	source   string // the configuration's file
	problems []config.Problem
}

func (r *keyReader) problem(key, text string) {
	r.problems = append(r.problems, config.Problem{Place: config.Place{Source: r.source}, Text: key + ": " + text})
}

func (r *keyReader) failed() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &config.Error{Problems: r.problems}
}

// read reads one file, nil if it cannot be used.
func (r *keyReader) read(key, path string) []byte {
	data, err := readPrivate(path)
	switch {
	case err != nil:
		r.problem(key, err.Error())
		return nil
	case len(bytes.TrimSpace(data)) == 0:
		r.problem(key, path+" is empty: write a secret into it, as \"openssl rand -base64 32\" makes one")
		return nil
	}
	return data
}

// encryptionKey reads a key as its 32 bytes, or in hex or base64.
func (r *keyReader) encryptionKey(path string) []byte {
	data := r.read(encryptionKey, path)
	if data == nil || len(data) == seal.KeySize {
		return data
	}
	text := string(withoutNewline(data))
	if key, err := hex.DecodeString(text); err == nil && len(key) == seal.KeySize {
		return key
	}
	if key, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(key) == seal.KeySize {
		return key
	}
	r.problem(encryptionKey, path+" holds no key: want 32 bytes, or 64 characters of hex or 44 of base64 for them, as \"openssl rand -base64 32\" makes one")
	return nil
}

// readPrivate reads a file that others cannot read. Like sshd it judges the file
// that a link leads to.
func readPrivate(path string) (data []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; let the daemon's user read it", path, cause(err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Mode().Perm()&openBits != 0:
		return nil, fmt.Errorf("%s is open to others: run chmod g-w,o= %[1]s, or mount it with the mode 0440", path)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("%s is larger than 64 KiB: want a file with one secret", path)
	}
	return data, nil
}

// withoutNewline leaves out one line break at the end, as editors and echo put
// it there.
func withoutNewline(data []byte) []byte {
	rest, cut := bytes.CutSuffix(data, []byte("\n"))
	if cut {
		rest = bytes.TrimSuffix(rest, []byte("\r"))
	}
	return rest
}
