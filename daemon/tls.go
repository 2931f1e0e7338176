package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/config"
)

// certificate is the pair of files that TLS is spoken with. Whoever renews it
// replaces one file after the other, so between the two they do not fit: a pair
// is taken over when it is whole, and until then the one before it is good.
type certificate struct {
	certFile, keyFile string
	log               zerolog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamped [2]stamp // the files when they were last read, well or not
}

// stamp tells one state of a file from another, and who may read it, which can be
// what was wrong. The zero stamp is that of a file that cannot be looked at.
type stamp struct {
	device, inode uint64
	mode          fs.FileMode
	user, group   uint32
	size          int64
	changed       time.Time
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{mode: info.Mode(), size: info.Size(), changed: info.ModTime()}
	s.identify(info)
	return s
}

// readCertificate reads the pair that the configuration states, nil where it
// states none. Its error is a *config.Error.
func readCertificate(cfg *config.Config, log zerolog.Logger) (*certificate, error) {
	if cfg.Verify.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: cfg.Verify.TLSCert, keyFile: cfg.Verify.TLSKey, log: log}
	c.stamped = c.stamps()
	pair, err := c.read()
	if err != nil {
		r := keyReader{source: cfg.File}
		r.problem("verify.tls_cert", err.Error())
		return nil, r.failed()
	}
	c.pair = pair
	return c, nil
}

func (c *certificate) stamps() [2]stamp {
	return [2]stamp{stampOf(c.certFile), stampOf(c.keyFile)}
}

// read reads both files. Its error names them, and shows nothing of the key.
func (c *certificate) read() (*tls.Certificate, error) {
	cert, err := readLimited(c.certFile)
	if err != nil {
		return nil, err
	}
	key, err := readPrivate(c.keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading %s and %s: %w", c.certFile, c.keyFile, err)
	}
	return &pair, nil
}

// readLimited reads a file that need not be private.
func readLimited(path string) (data []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; let the daemon's user read it", path, cause(err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, cause(err))
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("%s is larger than 64 KiB: want a certificate with its chain", path)
	}
	return data, nil
}

// present implements tls.Config.GetCertificate. The files are looked at in each
// handshake, which costs little beside it, and misses nothing.
func (c *certificate) present(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stamps() // before they are read: what changes meanwhile is seen the next time
	if now == c.stamped {
		return c.pair, nil
	}
	c.stamped = now
	pair, err := c.read()
	if err != nil {
		c.log.Warn().Err(err).Msg("certificate not reloaded, the one before it stays")
		return c.pair, nil
	}
	c.pair = pair
	c.log.Info().Str("path", c.certFile).Time("not_after", pair.Leaf.NotAfter).Msg("certificate reloaded")
	return c.pair, nil
}

// wrap speaks TLS on a listener of TCP. HTTP/2 is not offered: the rules about
// what a request may look like are those of HTTP/1.1.
func (c *certificate) wrap(l net.Listener) net.Listener {
	if c == nil || l.Addr().Network() == "unix" {
		return l
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: c.present, NextProtos: []string{"http/1.1"},
	})
}
