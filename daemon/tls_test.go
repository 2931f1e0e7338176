//go:build unix

package daemon

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log" //nolint:depguard // the type of http.Server.ErrorLog
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/config"
	"github.com/tokendrop/tokendrop/daemon/verify"
)

// pairOf makes a certificate with that serial number, and its key, in PEM.
func pairOf(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, data []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}) }
	return block("CERTIFICATE", der), block("PRIVATE KEY", bare)
}

// replace puts a file in the place of another, as those who renew certificates
// do.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// tlsPlace has a pair of files, and a configuration that names them.
func tlsPlace(t *testing.T, serial int64) *config.Config {
	t.Helper()
	cfg := config.Default()
	dir := t.TempDir()
	cfg.Verify.TLSCert, cfg.Verify.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := pairOf(t, serial)
	replace(t, cfg.Verify.TLSCert, cert)
	replace(t, cfg.Verify.TLSKey, key)
	return cfg
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

// serveTLS answers with TLS as the daemon does, on this machine.
func serveTLS(t *testing.T, c *certificate) (address string) {
	t.Helper()
	l, err := listenVerify(t.Context(), config.Address{Network: "tcp", Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s := verify.NewServer(http.NotFoundHandler(), stdlog.New(io.Discard, "", 0))
	done := make(chan error)
	go func() { done <- s.Serve(c.wrap(l)) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

// serial makes a handshake and tells which certificate is presented.
func serial(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "" && got != "http/1.1" {
		t.Errorf("spoken is %s", got)
	}
	return fmt.Sprint(conn.ConnectionState().PeerCertificates[0].SerialNumber)
}

// A new pair is taken over when both of its files are there, and until then the
// one before it stays, whatever lies there.
func TestCertificateIsReloaded(t *testing.T) {
	cfg := tlsPlace(t, 1)
	log := &syncBuffer{}
	c, err := readCertificate(cfg, zerolog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	address := serveTLS(t, c)
	cert2, key2 := pairOf(t, 2)
	mode := func(perm fs.FileMode) {
		if err := os.Chmod(cfg.Verify.TLSKey, perm); err != nil {
			t.Fatal(err)
		}
	}
	const kept, taken = "certificate not reloaded", "certificate reloaded"
	for _, step := range []struct {
		name   string
		do     func()
		serial string
		log    string
	}{
		{"at first", func() {}, "1", ""},
		{"nothing", func() {}, "1", ""},
		{"the new certificate alone", func() { replace(t, cfg.Verify.TLSCert, cert2) }, "1", kept},
		{"still alone", func() {}, "1", ""},
		{"its key", func() { replace(t, cfg.Verify.TLSKey, key2) }, "2", taken},
		{"garbage " + canary, func() { replace(t, cfg.Verify.TLSKey, []byte(canary)) }, "2", kept},
		{"an empty file", func() { replace(t, cfg.Verify.TLSKey, nil) }, "2", kept},
		{"no file", func() { _ = os.Remove(cfg.Verify.TLSKey) }, "2", kept},
		{"the key again", func() { replace(t, cfg.Verify.TLSKey, key2) }, "2", taken},
		{"a key that others can read", func() { replace(t, cfg.Verify.TLSKey, key2); mode(0o644) }, "2", kept},
		{"and cannot any more", func() { mode(0o600) }, "2", taken},
		{"no certificate", func() { _ = os.Remove(cfg.Verify.TLSCert) }, "2", kept},
		{"both anew", func() {
			cert, key := pairOf(t, 3)
			replace(t, cfg.Verify.TLSKey, key)
			replace(t, cfg.Verify.TLSCert, cert)
		}, "3", taken},
	} {
		step.do()
		if got := serial(t, address); got != step.serial {
			t.Errorf("%s: presented is %s, want %s", step.name, got, step.serial)
		}
		said := log.take()
		if !strings.Contains(said, step.log) || step.log == "" && said != "" {
			t.Errorf("%s: the log says %q", step.name, said)
		}
		if strings.Contains(said, canary) {
			t.Errorf("%s: the log shows what is in the file", step.name)
		}
	}
}

// Files that are links are followed, as in a volume of Kubernetes, where they lead
// through a link to a directory, and that is replaced.
func TestCertificateBehindLinks(t *testing.T) {
	one, two := tlsPlace(t, 1), tlsPlace(t, 2)
	link := filepath.Join(t.TempDir(), "data")
	swap := func(cfg *config.Config) {
		if err := errors.Join(os.Symlink(filepath.Dir(cfg.Verify.TLSCert), link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	swap(one)
	cfg, dir := config.Default(), t.TempDir()
	cfg.Verify.TLSCert, cfg.Verify.TLSKey = dir+"/tls.crt", dir+"/tls.key"
	if err := errors.Join(os.Symlink(link+"/cert.pem", cfg.Verify.TLSCert), os.Symlink(link+"/key.pem", cfg.Verify.TLSKey)); err != nil {
		t.Fatal(err)
	}
	c, err := readCertificate(cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	address := serveTLS(t, c)
	if got := serial(t, address); got != "1" {
		t.Error(got)
	}
	swap(two)
	if got := serial(t, address); got != "2" {
		t.Error(got)
	}
}

func TestTLSVersions(t *testing.T) {
	c, err := readCertificate(tlsPlace(t, 1), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	address := serveTLS(t, c)
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err == nil {
			conn.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, _ := io.ReadAll(conn); !bytes.HasPrefix(answer, []byte("HTTP/1.0 400")) {
		t.Errorf("plain text is answered with %q", answer)
	}
}

// Sockets of this machine stay plain, and so does everything where no TLS is
// stated.
func TestNoTLSOnSockets(t *testing.T) {
	c, err := readCertificate(tlsPlace(t, 1), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	l, err := listenVerify(t.Context(), config.Address{Network: "unix", Address: socketDir(t) + "/sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c.wrap(l) != l || (*certificate)(nil).wrap(l) != l {
		t.Error("TLS is spoken on a socket")
	}
	if c, err := readCertificate(config.Default(), zerolog.Nop()); c != nil || err != nil {
		t.Error(c, err)
	}
}

// The daemon does not start with files that cannot be used, and says which.
func TestCertificateAtTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(cert, key string)
		want  string
	}{
		"no key":         {func(_, key string) { _ = os.Remove(key) }, "let the daemon's user read it"},
		"no certificate": {func(cert, _ string) { _ = os.Remove(cert) }, "let the daemon's user read it"},
		"key for others": {func(_, key string) { _ = os.Chmod(key, 0o604) }, "is open to others: run chmod g-w,o= "},
		"another key":    {func(_, key string) { _, k := pairOf(t, 2); replace(t, key, k) }, "private key does not match public key"},
		"garbage":        {func(_, key string) { replace(t, key, []byte(canary)) }, "failed to find any PEM data"},
		"large":          {func(cert, _ string) { replace(t, cert, make([]byte, maxKeyFile+1)) }, "is larger than 64 KiB"},
		"swapped": {func(cert, key string) {
			_ = errors.Join(os.Rename(cert, cert+"x"), os.Rename(key, cert), os.Rename(cert+"x", key))
		}, "may have been switched"},
		"a directory": {func(cert, _ string) { _ = os.Remove(cert); _ = os.Mkdir(cert, 0o700) }, "is a directory"},
	} {
		cfg := tlsPlace(t, 1)
		cfg.File = "c.toml"
		tt.spoil(cfg.Verify.TLSCert, cfg.Verify.TLSKey)
		_, err := readCertificate(cfg, zerolog.Nop())
		if wrong, ok := errors.AsType[*config.Error](err); !ok || !strings.HasPrefix(wrong.Error(), "c.toml: verify.tls_cert: ") || !strings.Contains(wrong.Error(), tt.want) || strings.Contains(wrong.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
