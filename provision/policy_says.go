package provision

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// says is the reason for what breaks a rule. It names what the configuration
// permits, and nothing from the manifest.
func (j *judge) says(r rule) string {
	text := ""
	switch r {
	case ruleActions:
		text = "this drop directory permits only the actions " + listed(j.Actions)
	case ruleUsers:
		text = "this drop directory permits only users that match " + listed(j.Users)
	case ruleTypes:
		text = "this drop directory permits only tokens of type " + listed(typeTexts(j.Types))
	case ruleScopes:
		text = "this drop directory permits only scopes within " + listed(j.Scopes)
		if j.Types == nil {
			text = "this drop directory permits only custom tokens, with scopes within " + listed(j.Scopes)
		}
	case ruleAudiences:
		text = "this drop directory permits only the audience " + listed(j.Audiences)
	case ruleMaxLifetime:
		text = "a token needs an expiry here, at most " + lifetimeText(j.MaxLifetime) + " after "
		if j.Renew {
			text += "it was issued, which cannot be stated to have been later than it was"
		} else {
			text += "a token of this user and name was first issued"
		}
	case ruleMaxTokens:
		text = "this drop directory may have made " + strconv.Itoa(j.MaxTokens) + " tokens at a time, and it has"
	case ruleOwners:
		text = "this drop directory takes only files whose owner is " + listed(j.Owners)
	}
	return "policy: " + string(r) + ": " + text
}

// maxListed bounds how much of a list a reason names.
const maxListed = 8

// listed names what a rule permits.
func listed(words []string) string {
	if len(words) == 0 {
		return "that it lists, which are none"
	}
	more := ""
	if len(words) > maxListed {
		more = fmt.Sprintf(", and %d more", len(words)-maxListed)
		words = words[:maxListed]
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return strings.Join(quoted, ", ") + more
}

func typeTexts(types []store.Type) []string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = t.String()
	}
	return texts
}

// lifetimeText writes a duration as the configuration does.
func lifetimeText(d time.Duration) string {
	for _, unit := range []byte{'d', 'h', 'm'} {
		if d%durationUnits[unit] == 0 {
			return strconv.FormatInt(int64(d/durationUnits[unit]), 10) + string(unit)
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}
