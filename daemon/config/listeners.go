package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// listener is one address of the configuration, under the key that states it.
type listener struct {
	key     string
	address Address
}

func (c *Config) listeners() []listener {
	all := []listener{{"admin.socket", Address{"unix", c.Admin.Socket}}}
	for _, a := range c.Verify.Listen {
		all = append(all, listener{"verify.listen", a})
	}
	if c.Verify.Health != (Address{}) {
		all = append(all, listener{"verify.health", c.Verify.Health})
	}
	for _, a := range c.Introspect.Listen {
		all = append(all, listener{"introspect.listen", a})
	}
	return all
}

// checkListeners judges where the daemon listens, and what it needs for that.
func (r *reading) checkListeners() {
	r.checkTLS()
	r.checkPlain("verify.listen", r.config.Verify.Listen)
	r.checkPlain("introspect.listen", r.config.Introspect.Listen)
	r.checkIntrospect()
	r.checkAddresses()
}

// checkTLS wants both files or none.
func (r *reading) checkTLS() {
	cert, key := r.has("verify.tls_cert", r.config.Verify.TLSCert != ""), r.has("verify.tls_key", r.config.Verify.TLSKey != "")
	switch {
	case cert && !key:
		r.problem("verify.tls_cert", "tls_cert goes with tls_key: state the file of the certificate's private key too")
	case key && !cert:
		r.problem("verify.tls_key", "tls_key goes with tls_cert: state the file of the key's certificate too, with the chain behind it")
	}
}

// checkPlain refuses to show tokens to a network by default.
func (r *reading) checkPlain(key string, addresses []Address) {
	v := &r.config.Verify
	if v.AllowPlain || r.has("verify.tls_cert", v.TLSCert != "") || r.has("verify.tls_key", v.TLSKey != "") {
		return
	}
	var open []string
	for _, a := range addresses {
		if !a.local() {
			open = append(open, a.String())
		}
	}
	if len(open) > 0 {
		r.problem(key, fmt.Sprintf("tokens would cross the network in plain text at %s: listen on 127.0.0.1 or unix:/run/tokendrop/verify/sock beside the proxy, state tls_cert and tls_key in [verify], or say allow_plain = true there where the network is trusted", strings.Join(open, ", ")))
	}
}

// checkIntrospect wants who may ask stated where there is something to ask.
func (r *reading) checkIntrospect() {
	listens := r.has("introspect.listen", len(r.config.Introspect.Listen) > 0)
	file := r.has("introspect.token_file", r.config.Introspect.TokenFile != "")
	switch {
	case listens && !file:
		r.problem("introspect.listen", "token_file is missing: state a file with the bearer token of those who may introspect, as \"openssl rand -base64 32\" makes one")
	case file && !listens:
		r.problem("introspect.token_file", "token_file goes with listen: nobody can introspect where nothing listens; state that too, or leave this out")
	}
}

// checkAddresses keeps what answers differently apart. Of a list, no two are the
// same.
func (r *reading) checkAddresses() {
	all := r.config.listeners()
	for i, l := range all {
		j := slices.IndexFunc(all[:i], func(o listener) bool { return o.address == l.address })
		switch {
		case j < 0 || l.address.anyPort():
		case all[j].key == "admin.socket":
			r.problem(l.key, "requests cannot be answered on the admin socket: use another path"+seeAlso(r.stated[all[j].key]))
		default:
			r.problem(l.key, "another listener has this address, and answers other requests: use another one"+seeAlso(r.stated[all[j].key]))
		}
	}
}

// anyPort tells whether the system chooses the port.
func (a Address) anyPort() bool {
	_, port, err := net.SplitHostPort(a.Address)
	return a.Network == "tcp" && err == nil && port == "0"
}

// has tells whether something is stated: there is a value, or one that was
// refused.
func (r *reading) has(key string, value bool) bool {
	at, stated := r.stated[key]
	return value || stated && slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Place == at })
}
