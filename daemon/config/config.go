// Package config reads the daemon's configuration (SPEC section 8): a TOML
// file, then single values from the environment, over defaults.
//
// Invariants:
//
//  1. Load returns a Config that is right as far as that can be judged
//     without asking the system, or an *Error with every problem in it.
//  2. The environment overrides the file, the file overrides the default.
//  3. Nothing is guessed: an unknown key, a known one in another case, a wrong
//     type, a number without a unit, a relative path are problems.
//  4. A key is described once, by its field: the file, the environment and the
//     suggestion for a near miss are all read from there.
//  5. A problem names the file and line, or the variable, that has to change,
//     and repeats no value from there. (The TOML parser, which speaks first
//     where a file is no TOML, may quote some of it.)
//
// Keys of features to come join as further fields.
package config

import (
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tokendrop/tokendrop/daemon/verify"
	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
	"github.com/tokendrop/tokendrop/store/token"
)

// Config is what the daemon is to do. Paths are absolute and clean.
type Config struct {
	// File is where it was read from, empty where there was no file.
	File string

	Store      Store
	Drops      []Drop
	Verify     Verify
	Introspect Introspect
	Tokens     Tokens
	ScopeSets  map[string][]string // what each name in "scope_sets" stands for
	Admin      Admin
	Log        Log
}

// Store says where tokens are kept.
type Store struct {
	Backend Backend
	Path    string // without meaning for Memory
}

// Backend names a kind of store.
type Backend string

// The backends.
const (
	Badger Backend = "badger"
	Memory Backend = "memory" // nothing survives a restart
)

// Drop is one drop directory.
type Drop struct {
	Name       string // the path, unless another one is stated
	Path       string
	AfterApply patches.AfterApply
	Settle     time.Duration
	Rescan     time.Duration
	Resync     time.Duration // where files stay
	Redact     bool
	Strict     bool     // what others may write to is refused
	DirOwners  []string // who are no others: users, and groups as "group:NAME"
	MaxSize    int64    // bytes
	Rules      provision.Rules
}

// Verify says where requests are answered, and how.
type Verify struct {
	Listen    []Address
	StartWait time.Duration
	// Health is where nothing but /healthz and /readyz is answered, in plain
	// text; the zero Address: nowhere.
	Health Address
	// TLSCert and TLSKey are the files that TLS is spoken with wherever tokens
	// are sent over TCP; both are empty where it is not.
	TLSCert, TLSKey string
	AllowPlain      bool

	TrustedProxies []netip.Prefix
	Gates          []verify.Gate // what their scope sets stand for is not in there
}

// Introspect says where tokens are introspected (RFC 7662), and by whom.
type Introspect struct {
	Listen    []Address // none: nowhere
	TokenFile string    // holds what who asks has to present; set where Listen is
}

// Address is what net.Listen takes.
type Address struct {
	Network string // "tcp" or "unix"
	Address string // HOST:PORT, or a path
}

// String is the address as it is written in the configuration.
func (a Address) String() string {
	if a.Network == "unix" {
		return unixScheme + a.Address
	}
	return a.Address
}

// Tokens says what tokens look like.
type Tokens struct {
	Prefix         string // of new tokens; empty: these are standard
	FormerPrefixes []string
	Formats        token.Formats // what the two mean

	PepperFiles        []string          // of the first one new digests are made with
	EncryptionKeyFiles []string          // the first one encrypts
	Imports            map[string]string // the salt file of each import, by its ID
}

// Admin is the socket that the command line talks to.
type Admin struct {
	Socket string
	Group  string // may use the socket too; empty: the daemon's user alone
}

// Log is what is logged, and how.
type Log struct {
	Level  zerolog.Level
	Format Format
}

// Format is how log lines look.
type Format string

// The formats.
const (
	Auto    Format = "auto" // console on a terminal, else json
	Console Format = "console"
	JSON    Format = "json"
)

// Default is the configuration where nothing is stated.
func Default() *Config {
	spool := defaultDrop()
	spool.Name, spool.Path = "spool", "/var/spool/tokendrop"
	return &Config{
		Store: Store{Backend: Badger, Path: stateDir + "/store"},
		Drops: []Drop{spool},
		Verify: Verify{
			Listen:    []Address{{"tcp", "127.0.0.1:7575"}},
			StartWait: 10 * time.Second,
			TrustedProxies: []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 32), netip.PrefixFrom(netip.IPv6Loopback(), 128),
			},
			Gates: []verify.Gate{verify.DefaultGate(verify.DefaultName)},
		},
		Admin: Admin{Socket: "/run/tokendrop/admin/sock"},
		Log:   Log{Level: zerolog.InfoLevel, Format: Auto},
	}
}

// defaultDrop is a drop directory of which nothing but the path is stated.
func defaultDrop() Drop {
	return Drop{
		AfterApply: patches.Rename,
		Settle:     2 * time.Second,
		Rescan:     30 * time.Second,
		Resync:     10 * time.Minute,
		Redact:     true,
		Strict:     true,
		MaxSize:    8 << 20,
		Rules:      provision.Rules{Prune: provision.PruneOff, PruneLimit: provision.PruneLimit{Percent: 20}},
	}
}

// Manifests is what the configuration says of manifests.
func (c *Config) Manifests() provision.Settings {
	s := provision.Settings{
		Formats:   c.Tokens.Formats,
		ScopeSets: c.ScopeSets,
		Rules:     make(map[string]provision.Rules, len(c.Drops)),
		Forbidden: c.ownSecrets(),
	}
	for _, d := range c.Drops {
		s.Rules[d.Name] = d.Rules
	}
	if c.Store.Backend == Badger {
		s.Forbidden = append(s.Forbidden, c.Store.Path)
	}
	return s
}

// within tells whether path lies in dir or is it; both are clean. Links are
// not followed: what is behind them can change while the daemon runs.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
