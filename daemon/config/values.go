package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tokendrop/tokendrop/store/token"
)

const (
	maxPath = 4096 // Linux's PATH_MAX

	// maxSocketPath is what every system's sockaddr_un holds: macOS has 104
	// bytes for it with the final NUL, Linux 108.
	maxSocketPath = 103

	maxText = 256

	unixScheme = "unix:"
)

// unit is a suffix of a number, and what it stands for.
type unit[T ~int64] struct {
	name string
	size T
}

// The units, the largest first.
var (
	durationUnits = []unit[time.Duration]{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	sizeUnits     = []unit[int64]{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}
)

// parseUnit reads a whole number followed by one of the units.
func parseUnit[T ~int64](text string, units []unit[T]) (T, bool) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/int64(u.size)) {
			return 0, false
		}
		return T(n) * u.size, true
	}
	return 0, false
}

// formatUnit writes n with the largest unit that leaves a whole number.
func formatUnit[T ~int64](n T, units []unit[T]) string {
	for _, u := range units {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(int64(n/u.size), 10) + u.name
		}
	}
	return "0" + units[len(units)-1].name
}

// parsePath reads an absolute path. It drops what does not change a path's
// meaning, but not "..", which does where a link is on the way.
func parsePath(text string) (string, error) {
	switch {
	case len(text) > maxPath:
		return "", fmt.Errorf("want a path of at most %d bytes", maxPath)
	case !strings.HasPrefix(text, "/"):
		return "", errors.New("want an absolute path, one that starts with /")
	case strings.Contains(text+"/", "/../"):
		return "", errors.New(`want a path without ".."`)
	case hasControl(text):
		return "", errControl
	}
	return path.Clean(text), nil
}

// parseSocket reads the path of a Unix socket.
func parseSocket(text string) (string, error) {
	if len(text) > maxSocketPath {
		return "", fmt.Errorf("want a socket's path of at most %d bytes", maxSocketPath)
	}
	return parsePath(text)
}

// parseAddress reads HOST:PORT or unix:PATH.
func parseAddress(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, unixScheme); ok {
		path, err := parseSocket(path)
		return Address{"unix", path}, err
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, errors.New(`want HOST:PORT or unix:/PATH, as in "127.0.0.1:7575", "[::1]:7575" or "unix:/run/tokendrop/verify/sock"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return Address{}, errors.New("want a port as a number up to 65535, where 0 means any free one")
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Trim(host, hostCharacters) != "" {
		return Address{}, errors.New("want an IP address or a host name before the port")
	}
	return Address{"tcp", net.JoinHostPort(host, port)}, nil
}

const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

// local tells whether only this machine can reach the address. A name other
// than localhost can mean anything.
func (a Address) local() bool {
	if a.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.IsLoopback()
}

// optional reads what an empty text says is not there.
func optional[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (none T, err error) {
		if text == "" {
			return none, nil
		}
		return parse(text)
	}
}

// parseNoPrefix reads the prefix of new tokens, which need not have one.
func parseNoPrefix(text string) (string, error) {
	_, err := token.NewFormats(text)
	return text, err
}

// parsePrefix reads a prefix that tokens have.
func parsePrefix(text string) (string, error) {
	_, err := token.NewFormats("", text)
	return text, err
}

var errControl = errors.New("want no control or invisible characters")

// parseText reads a name.
func parseText(text string) (string, error) {
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("want at most %d bytes", maxText)
	case strings.TrimSpace(text) != text:
		return "", errors.New("want no spaces around it")
	case hasControl(text):
		return "", errControl
	}
	return text, nil
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
