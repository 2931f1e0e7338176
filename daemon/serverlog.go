package daemon

import (
	"strings"

	"github.com/rs/zerolog"
)

// serverLog is where http.Server, which knows no levels, writes what goes wrong, a
// call a line.
type serverLog struct{ zerolog.Logger }

// Write implements io.Writer.
func (l serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	l.WithLevel(serverLevel(text)).Str("error", text).Msg("serving HTTP")
	return len(line), nil
}

// serverLevel is the level of a line. Anybody who reaches a port can fail at a
// handshake, and as often as he likes.
func serverLevel(text string) zerolog.Level {
	switch {
	case strings.Contains(text, "TLS handshake error"):
		return zerolog.DebugLevel
	case strings.Contains(text, "panic serving"):
		return zerolog.ErrorLevel
	}
	return zerolog.WarnLevel
}
