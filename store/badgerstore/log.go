package badgerstore

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"
)

// logger hands Badger's messages on. An error of Badger's is a warning here:
// what becomes of it is decided, and logged, by whom the store returns it to.
type logger struct{ log zerolog.Logger }

func (l logger) Errorf(format string, args ...any)   { write(l.log.Warn(), format, args) }
func (l logger) Warningf(format string, args ...any) { write(l.log.Warn(), format, args) }
func (l logger) Infof(format string, args ...any)    { write(l.log.Debug(), format, args) }

// Debugf drops what Badger says on every write.
func (logger) Debugf(string, ...any) {}

func write(e *zerolog.Event, format string, args []any) {
	if e.Enabled() {
		e.Str("detail", strings.TrimSpace(fmt.Sprintf(format, args...))).Msg("message from badger")
	}
}
