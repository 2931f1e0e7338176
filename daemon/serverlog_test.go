package daemon

import (
	"bytes"
	stdlog "log" //nolint:depguard // the type of http.Server.ErrorLog
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// What net/http says has a level.
func TestServerLog(t *testing.T) {
	for text, want := range map[string]string{
		"http: TLS handshake error from 127.0.0.1:40000: EOF":                               "debug",
		"http: panic serving 127.0.0.1:40000: oh\ngoroutine 1":                              "error",
		"http: Accept error: accept tcp 127.0.0.1:80: too many open files; retrying in 5ms": "warn",
	} {
		var out bytes.Buffer
		stdlog.New(serverLog{zerolog.New(&out)}, "", 0).Print(text)
		if line := out.String(); !strings.HasPrefix(line, `{"level":"`+want+`","error":"http: `) || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: %s", want, line)
		}
	}
}
