package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

const comingFromDir = moduleRoot + "/examples/coming-from/"

// The tokens that go with the keys and digests in examples/coming-from.
const (
	tokenJane    = "z/gcX/rQTH6bzYK1yi2ZwUlugKxRfC8tTDx6FTMYO3w="
	tokenZapier  = "EDUcpczXQ4uQ5DuxoYtgIeTQLR3w23DbzMhjR3mK7HA="
	tokenReports = "uBxHw/p0T0+7NroE1+qR2Gqod0C8jNU4sgcUy0oaHEI="
	tokenAdmin   = "cunp6V7eSSuy9/+/ZoFjwyhrNdM3CrAIdwg84ucSdY4="
	tokenFull    = "iXsVpGVIQAmEJnNV/WGStH2zzLvx3Q413/KzFSq1me4="
	tokenRead    = "+F8w8JuxRXSL0HBPHrEQ8s1vXD0NoICl4uHXlnfDkxo="
	tokenWeek    = "W1IUMznnSLiyu9xuK3Aua9cWo8u12k3cZ1XyIwijX3Q="
	tokenMonth   = "dyGdn+FTTZCpspJeCHTLZ2c90Ow6OHOMoXmXFooIq5o="
	tokenQuarter = "LB7gGfakSzuWVWmJOyNYJP85JNQxH24pTwqdD59EzUY="
	tokenBlog    = "LybY1rF9TGqwxaSY+7e/Bz1fYN1dX7HXbOg0+oAvxX4="
	tokenIDE     = "7i4U1t6RRBW0Uf2q1jsFXtRX0duxt8OlRH3f+ttwnZE="
	tokenStopEnv = "ZlI462VRRcSpNC/HzeWwQcNg70blgI/KFq6HtUjFqCQ="
	// HMAC-SHA-512 of tokenStrapi under saltStrapi is the digest in strapi/60-import.yaml.
	tokenStrapi = "e258a7aa95b0ac66e953434c4ece282671ce6f8a0f7f85590cd5323668b0e3ebc8a790cffc90993a90ff88bcecfb3e8300f53354aba13f48a7d43bdbc1980913b5737c76d74cc4ba9fd210cb66f3e0bbe2777f3b1a2608cef467f4fd9a3aa0c1186754b5937dac0f0a852317c587f3df06d99d6a6d84ae3badf0ca1b64fe56d5"
	saltStrapi  = "tokendrop-example-salt"
)

// asked is an original request with a token, which may be one that was written
// to a file. Where the product has no gate of its own, METHOD and URI are not
// told.
type asked struct{ token, method, uri, address string }

// answers are what the gate says.
type answers map[asked]string

// listed are what "list" says of tokens, by their users and names.
type listed map[string]string

func with(token string) asked            { return asked{token, "GET", "/", "192.0.2.1"} }
func from(token, address string) asked   { return asked{token, "GET", "/", address} }
func to(token, method, uri string) asked { return asked{token, method, uri, "192.0.2.1"} }
func stopEnv(token string) asked {
	return to(token, "GET", "/1.0/environment/control/rest/stopenv?envName=my")
}

func install(token string) asked {
	return to(token, "POST", "/1.0/marketplace/installation/rest/install")
}
func articles(token, method string) asked { return to(token, method, "/api/articles?sort=title") }
func article(token string) asked          { return to(token, "GET", "/api/articles/7") }

const (
	good         = "200"
	unknownToken = "401 invalid_token"
	monthFile    = "/run/strapi/month-token"
	nightFile    = "/run/virtuozzo/stop-env.env"
	noonFile     = "/run/virtuozzo/stop-env-2.env"
)

// comingFrom are the manifests in the order in which they are dropped.
var comingFrom = []struct {
	file, outcome string
	answers       answers
	listed        listed
}{
	{
		"jahia/10-create.yaml", "removed",
		answers{with(tokenA): good, with(tokenJane): good},
		listed{"/users/root test-token12345": "active full-access until 2100-01-01"},
	},
	{
		"jahia/20-expire.yaml", "removed",
		answers{with(tokenA): "401 expired"},
		listed{"/users/root test-token12345": "expired full-access until 2022-01-01"},
	},
	{
		"jahia/30-revive.yaml", "removed",
		answers{with(tokenA): good},
		listed{"/users/root renamed-token": "active full-access until 2100-01-01", "/users/root test-token12345": ""},
	},
	{"jahia/40-disable.yaml", "installed", answers{with(tokenA): "401 disabled"}, nil},
	{"jahia/50-activate.yaml", "installed", answers{with(tokenA): good}, nil},
	{"jahia/60-other-users.toml", "installed", answers{with(tokenA): good, with(tokenJane): "401 disabled"}, nil},
	{
		"jahia/70-delete.yaml", "removed",
		answers{with(tokenA): unknownToken},
		listed{"/users/root renamed-token": ""},
	},

	{
		"jira/10-create.yaml", "installed",
		answers{with(tokenZapier): good},
		listed{"jdoe zapier": "active full-access until 2100-01-01"},
	},
	{"jira/20-on-behalf.yaml", "installed", answers{with(tokenReports): good}, nil},
	{"jira/25-not-allowed.yaml", "failed", answers{with(tokenAdmin): unknownToken}, listed{"admin mine": ""}},
	{"jira/30-who-may-use.yaml", "installed", answers{with(tokenReports): "401 user_blocked", with(tokenZapier): good}, nil},
	{
		"jira/40-read-only.yaml", "installed",
		answers{to(tokenZapier, "GET", "/issue"): good, to(tokenZapier, "POST", "/issue"): "403 method_not_allowed"},
		listed{"jdoe zapier": "active read-only until 2100-01-01"},
	},
	{
		"jira/50-addresses.yaml", "installed",
		answers{from(tokenZapier, "198.51.100.7"): good, from(tokenZapier, "198.51.100.8"): "403 ip_not_allowed"},
		listed{"jdoe zapier": "active full-access from 198.51.100.7/32,2001:db8::/48 until 2100-01-01"},
	},
	{"jira/60-revoke.yaml", "installed", answers{from(tokenZapier, "198.51.100.7"): unknownToken}, listed{"jdoe zapier": ""}},

	{
		"strapi/10-both-types.yaml", "installed",
		answers{articles(tokenFull, "POST"): good, articles(tokenRead, "GET"): good, article(tokenRead): good, articles(tokenRead, "POST"): "403 method_not_allowed"},
		listed{"strapi full-access": "active full-access for 90d", "strapi read-only": "active read-only"},
	},
	{
		"strapi/20-durations.yaml", "installed",
		answers{article(tokenWeek): good, article(tokenMonth): good, article(tokenQuarter): good},
		listed{"strapi week": "active full-access for 7d: one week", "strapi month": "active full-access for 30d: one month", "strapi quarter": "active full-access for 90d: one quarter"},
	},
	{
		"strapi/30-custom.yaml", "installed",
		answers{articles(tokenBlog, "GET"): good, article(tokenBlog): good, articles(tokenBlog, "POST"): "403 scope_missing"},
		listed{"strapi blog": "active custom api::article.article.find,api::article.article.findOne for 30d"},
	},
	{
		"strapi/40-edit.yaml", "installed",
		answers{article(tokenWeek): good, articles(tokenWeek, "POST"): "403 method_not_allowed"},
		listed{"strapi quarterly": "active read-only for 90d: was one week", "strapi week": ""},
	},
	{"strapi/50-regenerate.yaml", "installed", answers{article(tokenMonth): unknownToken, article(monthFile): good}, nil},
	{"strapi/60-import.yaml", "installed", answers{article(tokenStrapi): good}, listed{"strapi imported": "active full-access for 90d"}},
	{"strapi/70-delete.yaml", "installed", answers{article(tokenQuarter): unknownToken}, listed{"strapi quarter": ""}},

	{
		"virtuozzo/10-generate.yaml", "installed",
		answers{stopEnv(tokenIDE): good, install(tokenIDE): "403 scope_missing", stopEnv(tokenStopEnv): "401 expired"},
		listed{"account ide": "active custom set ide-plugins until 2100-01-01: IDE plugins"},
	},
	{
		"virtuozzo/20-edit.yaml", "installed",
		answers{install(tokenIDE): good},
		listed{"account ide": "active custom set ide-plugins,marketplace until 2100-01-01: IDE plugins and marketplace"},
	},
	{
		"virtuozzo/30-regenerate.yaml", "installed",
		answers{stopEnv(tokenStopEnv): unknownToken, stopEnv(nightFile): good, install(nightFile): "403 scope_missing"},
		listed{"account stop-env": "active custom environment.control.StopEnv until 2100-01-01: stops environments at night"},
	},
	{
		"virtuozzo/40-copy.yaml", "installed",
		answers{stopEnv(noonFile): good, install(noonFile): "403 scope_missing"},
		listed{"account stop-env-2": "active custom environment.control.StopEnv until 2100-01-01: stops environments at noon"},
	},
	{
		"virtuozzo/50-remove.yaml", "installed",
		answers{stopEnv(tokenIDE): unknownToken, stopEnv(nightFile): unknownToken, stopEnv(noonFile): good},
		listed{"account ide": "", "account stop-env": ""},
	},
}

// Each manifest of examples/coming-from does what README.md says of it.
func TestComingFrom(t *testing.T) {
	for _, product := range []string{"jahia", "jira", "strapi", "virtuozzo"} {
		t.Run(product, func(t *testing.T) {
			m := productMachine(t, product)
			m.start()
			for _, step := range comingFrom {
				if filepath.Dir(step.file) == product {
					m.step(step.file, step.outcome, step.answers, step.listed)
				}
			}
			if product == "strapi" {
				m.expectReveal("strapi/month", monthFile)
			}
		})
	}
}

// productMachine is a machine with the product's configuration.
func productMachine(t *testing.T, product string) *machine {
	t.Helper()
	m := newMachine(t)
	for _, dir := range []string{"/run/" + product, "/etc/tokendrop"} {
		if err := os.MkdirAll(m.root+dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"strapi-salt": saltStrapi + "\n", "encryption-key": strings.Repeat("1f", 32) + "\n"} {
		if err := os.WriteFile(m.root+"/etc/tokendrop/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(comingFromDir + product + "/tokendrop.toml")
	if err != nil {
		return m // it needs none
	}
	base := strings.Replace(fmt.Sprintf(machineConfig, m.root, ""), "[[drop]]\nname = \"spool\"\npath = \""+m.drop+"\"\n", "", 1)
	if err := os.WriteFile(m.config(), []byte(base+m.relocate(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// relocate puts the machine's own directories in the place of a real one's.
func (m *machine) relocate(text string) string {
	return strings.NewReplacer("/var/spool/tokendrop", m.drop, "/run/", m.root+"/run/", "/etc/", m.root+"/etc/").Replace(text)
}

func (m *machine) step(file, outcome string, answers answers, listed listed) {
	m.t.Helper()
	text, err := os.ReadFile(comingFromDir + file)
	if err != nil {
		m.t.Fatal(err)
	}
	name := filepath.Base(file)
	m.put(name, m.relocate(string(text)))
	if got := m.outcome(name); got != outcome {
		m.t.Fatalf("%s: %s, want %s\n%s", file, got, outcome, m.read(name+".failed.reason"))
	}
	if reason := m.read(name + ".failed.reason"); outcome == "failed" && !strings.Contains(reason, "policy: ") {
		m.t.Errorf("%s: %s", file, reason)
	}
	for question, want := range answers {
		if got := m.verifyRequest(question); !strings.HasPrefix(got, want) {
			m.t.Errorf("after %s the gate says %s to %v, want %s", file, got, question, want)
		}
	}
	have := map[string]string{}
	for _, tok := range m.list() {
		have[tok.User+" "+tok.Name] = summary(&tok)
	}
	for name, want := range listed {
		if have[name] != want {
			m.t.Errorf("after %s %s is %q, want %q", file, name, have[name], want)
		}
	}
}

// verifyRequest asks the gate as nginx does. A token that belongs into the URI
// is the parameter "session" there.
func (m *machine) verifyRequest(a asked) string {
	m.t.Helper()
	header := http.Header{"X-Original-Method": {a.method}, "X-Forwarded-For": {a.address}}
	token, uri := m.tokenIn(a.token), a.uri
	if !strings.HasPrefix(uri, "/1.0/") {
		header.Set("Authorization", "bearer "+token)
	} else if strings.Contains(uri, "?") {
		uri += "&session=" + url.QueryEscape(token)
	} else {
		uri += "?session=" + url.QueryEscape(token)
	}
	header.Set("X-Original-URI", uri)
	return m.verifyWith(header)
}

// tokenIn is the token that was written to a file, or the text itself.
func (m *machine) tokenIn(text string) string {
	m.t.Helper()
	if !strings.HasPrefix(text, "/run/") {
		return text
	}
	written, err := os.ReadFile(m.root + text)
	if err != nil {
		m.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(written), "\n")
	return strings.TrimPrefix(line, "TOKENDROP_TOKEN=")
}

// summary is a token in one line.
func summary(t *admin.Token) string {
	s := string(t.State) + " " + t.Type
	for _, part := range []struct {
		what string
		list []string
	}{{" ", t.Scopes}, {" set ", t.ScopeSets}, {" from ", t.AllowedIPs}} {
		if len(part.list) > 0 {
			s += part.what + strings.Join(part.list, ",")
		}
	}
	if t.ExpiresAt != nil {
		life := t.ExpiresAt.Sub(*t.IssuedAt)
		if days := int(life.Hours() / 24); days <= 90 && days > 0 {
			s += fmt.Sprintf(" for %dd", days)
		} else {
			s += " until " + t.ExpiresAt.Format("2006-01-02")
		}
	}
	if t.Description != "" {
		s += ": " + t.Description
	}
	return s
}

// expectReveal shows a token that is kept under encryption.
func (m *machine) expectReveal(name, file string) {
	m.t.Helper()
	out, err := m.run("show", name, "--reveal")
	if want := m.tokenIn(file) + "\n"; err != nil || string(out) != want {
		m.t.Errorf("show --reveal: %q, %v; want %q", out, err, want)
	}
}

var comingFromRow = regexp.MustCompile(`(?m)^\|.*\| (.*) \| \[.*\]\(examples/coming-from/(.*)\) \|$`)

// Each row of the table in README.md quotes what its file says, and each file
// has a row.
func TestComingFromTable(t *testing.T) {
	readme, err := os.ReadFile(moduleRoot + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range comingFromRow.FindAllStringSubmatch(string(readme), -1) {
		quotes, file := row[1], row[2]
		rows[file] = true
		text, err := os.ReadFile(comingFromDir + file)
		if err != nil {
			t.Fatal(err)
		}
		others, _ := os.ReadFile(comingFromDir + filepath.Dir(file) + "/tokendrop.toml") // not every product has one
		for i, quote := range strings.Split(quotes, "`") {
			quote, _, _ := strings.Cut(quote, "…")
			if i%2 == 1 && !strings.HasPrefix(quote, "tokendrop ") && !strings.Contains(string(text)+string(others), quote) {
				t.Errorf("%s does not say %q", file, quote)
			}
		}
	}
	for _, step := range comingFrom {
		if !rows[step.file] {
			t.Errorf("%s is in no row", step.file)
		}
	}
	files, err := filepath.Glob(comingFromDir + "*/*-*")
	if err != nil || len(files) != len(comingFrom) {
		t.Errorf("%d files, %d of them are dropped: %v", len(files), len(comingFrom), err)
	}
}
