package provision

import (
	"errors"
	"time"
)

// ParseDuration reads a duration as manifests and the command line state it:
// a whole number with s, m, h or d.
func ParseDuration(text string) (time.Duration, error) {
	d, problem := duration(text)
	if problem != "" {
		return 0, errors.New(problem)
	}
	return d, nil
}
