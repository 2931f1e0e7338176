package speed

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/badgerstore"
	"github.com/tokendrop/tokendrop/store/token"
)

// tokens makes the same tokens each time. They are good for nothing else.
func tokens(b *testing.B, n int, seed byte) []token.Token {
	b.Helper()
	random := rand.NewChaCha8([32]byte{seed})
	all := make([]token.Token, n)
	for i := range all {
		var err error
		if all[i], err = token.Generate(random); err != nil {
			b.Fatal(err)
		}
	}
	return all
}

// place makes the directory of a daemon that has the tokens, and those of which
// there is a lot to say. It returns how many bytes each of them takes on disk,
// with its ledger entry.
func place(b *testing.B, all []token.Token, large ...token.Token) (root string, size float64) {
	b.Helper()
	root, err := os.MkdirTemp("", "td") // TempDir is too long for a socket
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Mkdir(root+"/drop", 0o700); err != nil {
		b.Fatal(err)
	}
	s, err := badgerstore.Open(b.Context(), badgerstore.Options{Path: root + "/store", Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	const each = 1000
	for first := 0; first < len(all); first += each {
		if err := s.Commit(b.Context(), batch(first, all[first:min(first+each, len(all))])); err != nil {
			b.Fatal(err)
		}
	}
	if len(large) > 0 {
		if err := s.Commit(b.Context(), enlarged(batch(len(all), large))); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return root, float64(onDisk(b, root+"/store")) / float64(len(all))
}

// batch is a patch for each token.
func batch(first int, all []token.Token) store.Batch {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := store.Batch{Expect: map[store.Name]store.Revision{}}
	for i, t := range all {
		name := store.Name{User: fmt.Sprintf("/users/user%07d", first+i), Name: "deploy"}
		source := store.Source{Dir: "spool", Path: fmt.Sprintf("user%07d.yaml", first+i)}
		var patch store.PatchID
		binary.BigEndian.PutUint64(patch[:], uint64(at.UnixMilli())<<16+uint64(first+i))
		b.Expect[name] = 0
		b.Put = append(b.Put, store.Record{
			Name: name, Type: store.FullAccess, Audience: store.DefaultAudience, Active: true, ExpiresAt: at.AddDate(70, 0, 0),
			IssuedAt: at, CreatedAt: at, UpdatedAt: at, Generation: 1, Source: source,
			Credentials: []store.Credential{{Key: t.Key, Digest: t.Digest(), Number: 1, IssuedAt: at}},
		})
		b.Entries = append(b.Entries, store.Entry{
			Patch: patch, Time: at, Dir: source.Dir, Path: source.Path, Outcome: store.Installed, Changed: true, Author: "root",
			Changes: []store.Change{{Action: "create", Key: t.Key, Name: name, Result: store.Created}},
		})
	}
	return b
}

// enlarged gives each token as many scopes as it may have, and labels.
func enlarged(all store.Batch) store.Batch {
	for i := range all.Put {
		r := &all.Put[i]
		r.Type, r.Description = store.Custom, strings.Repeat("d", 1<<10)
		for n := range 64 {
			r.Scopes = append(r.Scopes, fmt.Sprintf("api::article-%02d.findOne", n))
		}
		for n := range 16 {
			r.Labels = append(r.Labels, store.Label{Key: fmt.Sprintf("label-%02d", n), Value: "value"})
		}
	}
	return all
}

// onDisk is the space that files take, holes not counted.
func onDisk(b *testing.B, dir string) (sum int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += stat.Blocks * 512
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

// nginx is nginx with a map of the tokens to their users.
func nginx(b *testing.B, program string, all []token.Token) func(address string) *exec.Cmd {
	b.Helper()
	dir := b.TempDir()
	f, err := os.Create(dir + "/tokens")
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i, t := range all {
		fmt.Fprintf(w, "\"Bearer %s\" /users/user%07d;\n", t.Reveal(), i)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	_ = f.Close()
	return func(address string) *exec.Cmd {
		text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events {}
http {
    access_log off; keepalive_requests 1000000000; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
    map_hash_max_size %[2]d; map_hash_bucket_size 1024;
    map $http_authorization $token_user { default ""; include %[1]s/tokens; }
    server {
        listen %[3]s;
        location = /verify { if ($token_user = "") { return 401; } add_header X-Token-User $token_user; return 204; }
    }
}
`, dir, 2*len(all), address)
		if err := os.WriteFile(dir+"/nginx.conf", []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		return exec.Command(program, "-p", dir, "-c", dir+"/nginx.conf")
	}
}
