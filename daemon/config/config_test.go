package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

var update = flag.Bool("update", false, "write the golden messages anew")

func mustParse(t *testing.T, src string, env ...string) *Config {
	t.Helper()
	c, err := parse("c.toml", src, env)
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return c
}

func formats(t *testing.T, prefix string, former ...string) token.Formats {
	t.Helper()
	f, err := token.NewFormats(prefix, former...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func problems(t *testing.T, src string, env ...string) string {
	t.Helper()
	_, err := parse("c.toml", src, env)
	if err == nil {
		t.Fatal("accepted")
	}
	return err.Error()
}

func TestDefaults(t *testing.T) {
	c, err := parse("", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Store: Store{Backend: Badger, Path: "/var/lib/tokendrop/store"},
		Drops: []Drop{{
			Name: "spool", Path: "/var/spool/tokendrop", AfterApply: patches.Rename,
			Settle: 2 * time.Second, Rescan: 30 * time.Second, Resync: 10 * time.Minute, Redact: true, Strict: true, MaxSize: 8 * 1024 * 1024,
			Rules: provision.Rules{Prune: provision.PruneOff, PruneLimit: provision.PruneLimit{Percent: 20}},
		}},
		Verify: Verify{
			Listen: []Address{{"tcp", "127.0.0.1:7575"}}, StartWait: 10 * time.Second,
			TrustedProxies: networks("127.0.0.1/32", "::1/128"),
			Gates: []verify.Gate{{
				Name: "default", Proxy: verify.None, Audience: "api",
				ReadVerbs: []string{"find", "findOne", "get", "list", "read"},
				TokenFrom: []verify.Source{verify.FromAuthorization, verify.FromAPIKey},
			}},
		},
		Admin: Admin{Socket: "/run/tokendrop/admin/sock"},
		Log:   Log{Level: zerolog.InfoLevel, Format: Auto},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// Invariant 4: what can be stated can be stated with a value that differs
// from the default, in the file and in the environment alike.
func TestEveryKey(t *testing.T) {
	file := mustParse(t, everyKey)
	want := &Config{
		File:  fileOf(t, "c.toml"),
		Store: Store{Backend: Memory, Path: "/srv/store"},
		Drops: []Drop{
			{
				Name: "a", Path: "/srv/a", AfterApply: patches.Keep,
				Settle: 3 * time.Minute, Rescan: 2 * time.Hour, Resync: 24 * time.Hour, Redact: false, MaxSize: 4096, DirOwners: []string{"deploy", "group:ops"},
				Rules: provision.Rules{
					SecretDirs: []string{"/run/secrets"}, SecretEnv: []string{"CI_TOKEN", "_x"}, OutputDirs: []string{"/run/out", "/run/more"},
					Policy: everyPolicy,
					Prune:  provision.PruneDisable, PruneLimit: provision.PruneLimit{Tokens: 3},
				},
			},
			{
				Name: "/srv/b", Path: "/srv/b", AfterApply: patches.Rename,
				Settle: 2 * time.Second, Rescan: 24 * time.Hour, Resync: 10 * time.Minute, Redact: true, Strict: true, MaxSize: 64 << 20,
				Rules: provision.Rules{
					Policy: &provision.Policy{Users: []string{}, AllowedSigners: "/etc/signers", SignatureWait: time.Minute},
					Prune:  provision.PruneOff, PruneLimit: provision.PruneLimit{Percent: 100},
				},
			},
		},
		Verify: Verify{
			Listen:  []Address{{"tcp", "0.0.0.0:80"}, {"tcp", "[::1]:7575"}, {"unix", "/run/x"}},
			Health:  Address{"tcp", ":7576"},
			TLSCert: "/etc/cert.pem", TLSKey: "/etc/key.pem",
			AllowPlain:     true,
			TrustedProxies: networks("10.0.0.0/8", "192.0.2.1/32", "fd00::/8"),
			Gates:          everyGate(t),
		},
		Introspect: Introspect{
			Listen: []Address{{"unix", "/run/i"}, {"tcp", "10.0.0.1:7577"}}, TokenFile: "/etc/introspect",
		},
		Tokens: Tokens{
			Prefix: "acme", FormerPrefixes: []string{"old", "acme_test"},
			Formats:     formats(t, "acme", "old", "acme_test"),
			PepperFiles: []string{"/etc/pepper", "/etc/pepper.old"}, EncryptionKeyFiles: []string{"/etc/keys"},
			Imports: map[string]string{"strapi": "/etc/salt", "x_2": "/etc/salt2"},
		},
		ScopeSets: map[string][]string{"ide-plugins": {"a", "b.*"}, "c": {"*"}},
		Admin:     Admin{Socket: "/run/y", Group: "ops"},
		Log:       Log{Level: zerolog.DebugLevel, Format: JSON},
	}
	if !reflect.DeepEqual(file, want) {
		t.Errorf("got  %+v\nwant %+v", file, want)
	}

	fromEnv := mustParse(t, "", everyVariable...)
	want.Drops, want.ScopeSets, want.Tokens.Imports, want.Verify.Gates = Default().Drops, nil, nil, Default().Verify.Gates
	if !reflect.DeepEqual(fromEnv, want) {
		t.Errorf("from the environment:\ngot  %+v\nwant %+v", fromEnv, want)
	}
	fields := 0
	for _, s := range newReading("").sections() {
		for _, f := range s.fields {
			if !f.nested() {
				fields++
			}
		}
	}
	if len(everyVariable) != fields {
		t.Errorf("%d variables are tested, there are %d", len(everyVariable), fields)
	}
}

var everyPolicy = &provision.Policy{
	Actions:     []string{"create", provision.Block},
	Users:       []string{"ci-*", "bots/**"},
	Types:       []store.Type{store.ReadOnly, store.Custom},
	Scopes:      []string{"api::*"},
	Audiences:   []string{"api", "ci/build"},
	MaxLifetime: 90 * 24 * time.Hour, Renew: true,
	MaxTokens:      1000,
	Owners:         []string{"deploy", "group:ops"},
	AllowedSigners: "/etc/tokendrop/signers", SignatureWait: 2 * time.Minute,
}

func everyGate(t *testing.T) []verify.Gate {
	t.Helper()
	routes, err := verify.NewRoutes([]verify.Route{
		{Match: "GET /api/articles/{id}", Scope: "api::article.findOne"}, {Match: "/static/"},
	}, []string{"api::use"})
	if err != nil {
		t.Fatal(err)
	}
	api := verify.Gate{
		Name: "api.v1", Proxy: verify.Caddy, Audience: "articles", Scopes: []string{"api::use"}, ReadVerbs: []string{"view"},
		TokenFrom: []verify.Source{verify.FromBasic, verify.FromQuery("session"), verify.FromAPIKey},
		Routes:    routes, Unmatched: verify.Allow,
	}
	return []verify.Gate{api, verify.DefaultGate("plain")}
}

func networks(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// What the gates are asked with has the sets of scopes.
func TestGates(t *testing.T) {
	rules := mustParse(t, everyKey).Gates()
	gate := rules.Gates["api.v1"]
	if len(rules.Gates) != 2 || gate == nil || gate.Name != "api.v1" || len(gate.ScopeSets["ide-plugins"]) != 2 || len(rules.Trusted) != 3 {
		t.Errorf("the rules are %+v", rules)
	}
	if gate := Default().Gates().Gates["default"]; gate == nil || gate.Proxy != verify.None {
		t.Errorf("the default gate is %+v", gate)
	}
}

// fileOf is the absolute path of a file in the working directory.
func fileOf(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const everyKey = `
[store]
backend = "memory"
path = "/srv/store/"

[[drop]]
name = "a"
path = "/srv/./a"
after_apply = "keep"
settle = "3m"
rescan = "2h"
resync = "1d"
prune = "disable"
prune_limit = 3
redact = false
strict = false
dir_owners = ["deploy", "group:ops"]
max_size = 4096
secret_dirs = ["/run/secrets/"]
secret_env = ["CI_TOKEN", "_x"]
output_dirs = ["/run/out", "/run/more"]
  [drop.policy]
  actions = ["create", "block"]
  users = ["ci-*", "bots/**"]
  types = ["read-only", "custom"]
  scopes = ["api::*"]
  audiences = ["api", "ci/build"]
  max_lifetime = "90d"
  max_tokens = 1000
  owners = ["deploy", "group:ops"]
  renew = true
  allowed_signers = "/etc/tokendrop/signers"
  signature_wait = "2m"

[[drop]]
path = "/srv/b"
rescan = "1d"
prune_limit = "100%"
max_size = "64MiB"
policy = {users = [], allowed_signers = "/etc/signers"}

[verify]
listen = ["0.0.0.0:80", "[::1]:7575", "unix:/run/x"]
start_wait = "0s"
health = ":7576"
tls_cert = "/etc/cert.pem"
tls_key = "/etc/./key.pem"
allow_plain = true
trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]
  [[verify.gates]]
  name = "api.v1"
  proxy = "caddy"
  audience = "articles"
  scopes = ["api::use"]
  read_verbs = ["view"]
  token_from = ["basic", "query:session", "x-api-key"]
  unmatched = "allow"
    [[verify.gates.routes]]
    match = "GET /api/articles/{id}"
    scope = "api::article.findOne"
    [[verify.gates.routes]]
    match = "/static/"
  [[verify.gates]]
  name = "plain"

[introspect]
listen = ["unix:/run/i", "10.0.0.1:7577"]
token_file = "/etc/introspect"

[tokens]
prefix = "acme"
former_prefixes = ["old", "acme_test"]
pepper_files = ["/etc/pepper", "/etc/pepper.old"]
encryption_key_files = ["/etc/keys"]
  [tokens.import.strapi]
  salt_file = "/etc/salt"
  [tokens.import.x_2]
  salt_file = "/etc/salt2"

[scope_sets]
ide-plugins = ["b.*", "a"]
c = ["*"]

[admin]
socket = "/run/y"
group = "ops"

[log]
level = "debug"
format = "json"
`

var everyVariable = []string{
	"TOKENDROP_STORE_BACKEND=memory",
	"TOKENDROP_STORE_PATH=/srv/store/",
	"TOKENDROP_VERIFY_LISTEN=0.0.0.0:80, [::1]:7575,unix:/run/x",
	"TOKENDROP_VERIFY_START_WAIT=0s",
	"TOKENDROP_VERIFY_HEALTH=:7576",
	"TOKENDROP_VERIFY_TLS_CERT=/etc/cert.pem",
	"TOKENDROP_VERIFY_TLS_KEY=/etc/key.pem",
	"TOKENDROP_VERIFY_ALLOW_PLAIN=true",
	"TOKENDROP_VERIFY_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1,fd00::/8",
	"TOKENDROP_INTROSPECT_LISTEN=unix:/run/i,10.0.0.1:7577",
	"TOKENDROP_INTROSPECT_TOKEN_FILE=/etc/introspect",
	"TOKENDROP_TOKENS_PREFIX=acme",
	"TOKENDROP_TOKENS_FORMER_PREFIXES=old,acme_test",
	"TOKENDROP_TOKENS_PEPPER_FILES=/etc/pepper,/etc/pepper.old",
	"TOKENDROP_TOKENS_ENCRYPTION_KEY_FILES=/etc/keys",
	"TOKENDROP_ADMIN_SOCKET=/run/y",
	"TOKENDROP_ADMIN_GROUP=ops",
	"TOKENDROP_LOG_LEVEL=debug",
	"TOKENDROP_LOG_FORMAT=json",
}

// Invariant 2.
func TestPrecedence(t *testing.T) {
	src := "[log]\nlevel = \"warn\"\nformat = \"json\"\n"
	c := mustParse(t, src, "TOKENDROP_LOG_LEVEL=error")
	if c.Log.Level != zerolog.ErrorLevel || c.Log.Format != JSON || c.Admin != Default().Admin {
		t.Errorf("got %+v, %+v", c.Log, c.Admin)
	}
}

// A container of a namespace with a Service named tokendrop must start.
func TestKubernetesVariablesAreNotOurs(t *testing.T) {
	mustParse(t, "",
		"TOKENDROP_SERVICE_HOST=10.0.0.1", "TOKENDROP_SERVICE_PORT=7575", "TOKENDROP_SERVICE_PORT_VERIFY=7575",
		"TOKENDROP_PORT=tcp://10.0.0.1:7575", "TOKENDROP_PORT_7575_TCP=tcp://10.0.0.1:7575",
		"TOKENDROP_PORT_7575_TCP_PROTO=tcp", "TOKENDROP_PORT_7575_TCP_PORT=7575", "TOKENDROP_PORT_7575_TCP_ADDR=10.0.0.1",
		"TOKENDROP_VERIFY_2_SERVICE_HOST=10.0.0.2", "XTOKENDROP_STORE=1", "TOKENDROP=1",
	)
	for _, name := range []string{"TOKENDROP_PORTS", "TOKENDROP_STORE_PATHS", "TOKENDROP_", "TOKENDROP_DROP_PATH", "TOKENDROP_SERVICE"} {
		if got := problems(t, "", name+"=1"); !strings.HasPrefix(got, name+": unknown variable") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// Who has the token that "write_to" wrote in the environment can run commands.
func TestATokenInTheEnvironmentIsNoSetting(t *testing.T) {
	mustParse(t, "", "TOKENDROP_TOKEN=x", "TOKENDROP_KEY=y")
}

// Invariants 1, 3 and 5: each bad file beside its exact messages. Variables
// stand in the file's first lines, after "#env ".
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := problems(t, string(src), variablesOf(string(src))...) + "\n"
			golden := file + ".err"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if strings.Contains(got, canary) {
				t.Error("a message repeats a value")
			}
		})
	}
}

// canary stands as a value in fixtures.
const canary = "hunter2"

func variablesOf(src string) []string {
	var env []string
	for line := range strings.Lines(src) {
		if v, ok := strings.CutPrefix(line, "#env "); ok {
			env = append(env, strings.TrimSuffix(v, "\n"))
		}
	}
	return env
}

// Where a memory store would have its files means nothing.
func TestMemoryStoreIsNowhere(t *testing.T) {
	src := "[store]\nbackend = %q\npath = '/srv/a/store'\n[[drop]]\npath = '/srv/a'\n"
	mustParse(t, fmt.Sprintf(src, Memory))
	problems(t, fmt.Sprintf(src, Badger))
}

func TestNumbersOfThings(t *testing.T) {
	drops := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "[[drop]]\npath = '/srv/%d'\n", i)
		}
		return b.String()
	}
	listen := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "'127.0.0.1:%d',", i)
		}
		return "[verify]\nlisten = [" + b.String() + "]"
	}
	mustParse(t, drops(maxDrops)+listen(maxListen))
	problems(t, drops(maxDrops+1))
	problems(t, listen(maxListen+1))
}

func TestConfigurationInsideADrop(t *testing.T) {
	if !filepath.IsAbs("/etc") {
		t.Skip("no configuration can lie there")
	}
	_, err := parse("/etc/tokendrop/tokendrop.toml", "\n[[drop]]\npath = '/etc/tokendrop'", nil)
	if err == nil || !strings.HasPrefix(err.Error(), "/etc/tokendrop/tokendrop.toml:3: the configuration itself") {
		t.Errorf("got %v", err)
	}
}

// TLS or the switch, one of them is enough beyond this machine; health needs none.
func TestOpenAddresses(t *testing.T) {
	const open = "[verify]\nlisten = ['0.0.0.0:1']\nhealth = ':2'\n"
	const tls = "tls_cert = '/c'\ntls_key = '/k'\n"
	const introspect = "[introspect]\nlisten = ['10.0.0.1:3']\ntoken_file = '/t'\n"
	for _, more := range []string{"allow_plain = true\n", tls, tls + "allow_plain = true\n"} {
		mustParse(t, open+more+introspect)
	}
	mustParse(t, "[verify]\nhealth = '0.0.0.0:2'\ntls_cert = ''\ntls_key = ''\n[introspect]\nlisten = []\ntoken_file = ''\n")
	if c := mustParse(t, "[verify]\nhealth = ''\n"); c.Verify.Health != (Address{}) {
		t.Errorf("health is at %v", c.Verify.Health)
	}
	if got := problems(t, open+introspect); strings.Count(got, "plain text") != 2 || strings.Contains(got, "at :2") {
		t.Error(got)
	}
}

// No manifest may have the configuration's own files read or written.
func TestOwnSecrets(t *testing.T) {
	c := mustParse(t, everyKey)
	want := []string{"/etc/introspect", "/etc/key.pem", "/etc/keys", "/etc/pepper", "/etc/pepper.old", "/etc/salt", "/etc/salt2", "/etc/signers", "/etc/tokendrop/signers", fileOf(t, "c.toml")}
	slices.Sort(want)
	if got := c.ownSecrets(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.Store.Backend = Badger
	if got := c.Manifests(); !slices.Equal(got.Forbidden, append(want, c.Store.Path)) || got.Rules["a"].Policy == nil || len(got.ScopeSets) != 2 {
		t.Errorf("manifests are decoded with %+v", got)
	}
	if got := Default().ownSecrets(); got != nil {
		t.Errorf("the default has %q", got)
	}
}

// One drop directory may read what it has written itself.
func TestReach(t *testing.T) {
	mustParse(t, `
[[drop]]
path = "/srv/a"
secret_dirs = ["/run/a"]
output_dirs = ["/run/a", "/run/out"]
[[drop]]
path = "/srv/b"
secret_dirs = ["/run/ab"]
output_dirs = ["/run/out/b", "/var/lib/tokendrop/out"]
`)
}

func TestLoadFindsTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, level string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("[log]\nlevel = \""+level+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flagged, named := write("flag.toml", "debug"), write("env.toml", "error")
	env := []string{"PATH=/bin", "TOKENDROP_CONFIG=" + named}

	for _, tt := range []struct {
		path, file string
		level      zerolog.Level
	}{{flagged, flagged, zerolog.DebugLevel}, {"", named, zerolog.ErrorLevel}} {
		c, err := Load(tt.path, env)
		if err != nil {
			t.Fatal(err)
		}
		if c.File != tt.file || c.Log.Level != tt.level {
			t.Errorf("Load(%q) read %s, level %v", tt.path, c.File, c.Log.Level)
		}
	}

	missing := filepath.Join(dir, "missing.toml")
	long := filepath.Join(dir, "long.toml")
	if err := os.WriteFile(long, []byte("#"+strings.Repeat("x", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	unread := func(path string) string { // as the system says it
		_, err := os.ReadFile(path)
		inner, _ := errors.AsType[*fs.PathError](err)
		return "reading the configuration: " + inner.Err.Error()
	}
	for _, tt := range []struct {
		path, text string
		env        []string
	}{
		{missing, unread(missing), nil},
		{"", unread(missing), []string{"TOKENDROP_CONFIG=" + missing}},
		{dir, unread(dir), nil},
		{long, "a configuration is at most 1MiB long", nil},
	} {
		_, err := Load(tt.path, tt.env)
		var wrong *Error
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0].Text != tt.text {
			t.Errorf("Load(%q, %q): %v", tt.path, tt.env, err)
		}
	}
}

// The parser alone would take half a minute for the first of these.
func TestHostileNestingIsRefusedUnparsed(t *testing.T) {
	for _, src := range []string{
		strings.Repeat("a.", 20_000) + "a = 1",
		"[" + strings.Repeat("a.", 20_000) + "a]",
		"a = " + strings.Repeat("[", 20_000),
		"a = " + strings.Repeat("{a=", 20_000),
	} {
		if got := problems(t, "\n"+src); !strings.HasPrefix(got, "c.toml:2: ") || !strings.Contains(got, ": more than ") {
			t.Errorf("got %s", got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(everyKey, "/srv/store", "127.0.0.1:7575,unix:/x")
	f.Add("[[drop]]\npath='/a'\n[[drop]]\npath='/a/b'", "x", ":1")
	f.Add("drop = [{path = '/a', settle = '99999999999999999999s'}]", "/", "[::1]:")
	f.Add("a = \"\"\"\n\\", "/..", "unix:")
	f.Fuzz(func(t *testing.T, src, at, listen string) {
		c, err := parse("c.toml", src, []string{"TOKENDROP_STORE_PATH=" + at, "TOKENDROP_VERIFY_LISTEN=" + listen})
		if err != nil {
			checkError(t, err, strings.Count(src, "\n")+1)
			return
		}
		for _, d := range c.Drops {
			if !path.IsAbs(d.Path) || path.Clean(d.Path) != d.Path || d.Name == "" || d.Settle < minSettle || d.MaxSize > maxMaxSize {
				t.Errorf("accepted %+v", d)
			}
		}
		for _, a := range c.Verify.Listen {
			if again, err := parseAddress(a.String()); err != nil || again != a {
				t.Errorf("%q is read again as %q, %v", a, again, err)
			}
			if !a.local() && !c.Verify.AllowPlain {
				t.Errorf("accepted %s", a)
			}
		}
	})
}

func checkError(t *testing.T, err error, lines int) {
	var wrong *Error
	if !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
		t.Fatalf("an error of type %T", err)
	}
	for _, p := range wrong.Problems {
		if p.Text == "" || p.Line > lines || p.Source == "c.toml" && p.Line == 0 {
			t.Errorf("a problem without a place: %+v", p)
		}
	}
}

// What is in force can be read again, and is the same then.
func TestDocument(t *testing.T) {
	for name, c := range map[string]*Config{"defaults": mustParse(t, ""), "everything": mustParse(t, everyKey)} {
		var b strings.Builder
		if err := c.WriteTOML(&b); err != nil {
			t.Fatal(err)
		}
		again := mustParse(t, b.String())
		if !reflect.DeepEqual(again, c) {
			t.Errorf("%s: read again\ngot  %+v\nwant %+v\nfrom\n%s", name, again, c, b.String())
		}
		if strings.Contains(b.String(), "#") {
			t.Errorf("%s: there are comments in\n%s", name, b.String())
		}
	}
}

// No key that can be stated is left out.
func TestDocumentHasEveryKey(t *testing.T) {
	var b strings.Builder
	if err := mustParse(t, everyKey).WriteTOML(&b); err != nil {
		t.Fatal(err)
	}
	stated, _ := provision.TOMLLines(everyKey)
	told, _ := provision.TOMLLines(b.String())
	for key := range stated {
		if told[key] == 0 {
			t.Errorf("%s is not told", key)
		}
	}
}
