package provision

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
	"github.com/tokendrop/tokendrop/store/token"
)

// FieldChange is a field with what it says before and after, as texts for
// people. An empty text is nothing.
type FieldChange struct{ Field, Old, New string }

// isNew stands for what will be made when the manifest is applied.
const isNew = "(new)"

// comparison tells in which fields a record would differ from what it was. Of
// secrets it tells only that there is a new one.
type comparison struct {
	before *store.Record // nil: there is none
	entry  *Entry
	made   map[token.Key]bool // keys that are not to be told
	now    time.Time
}

// fields lists what is different after the entry. Of a token that is created
// they are all that say something.
func (c *comparison) fields(after *store.Record) []FieldChange {
	now := c.texts(after)
	before := make([]fieldText, len(now))
	if c.before != nil {
		before = c.texts(c.before)
	}
	return slices.DeleteFunc(changedFields(before, now), func(f FieldChange) bool {
		return f.Field == "issued_at" && after.IssuedAt.Equal(c.now) // goes without saying
	})
}

// fieldText is a field with what it says.
type fieldText struct{ field, text string }

func (c *comparison) texts(rec *store.Record) []fieldText {
	list := []fieldText{
		{"description", rec.Description},
		{"type", rec.Type.String()},
		{"scopes", strings.Join(rec.Scopes, ", ")},
		{"scope_sets", strings.Join(rec.ScopeSets, ", ")},
		{"allowed_ips", strings.Join(prefixTexts(rec.AllowedIPs), ", ")},
		{"audience", rec.Audience},
		{"labels", strings.Join(labelTexts(rec.Labels), ", ")},
		{"active", strconv.FormatBool(rec.Active)},
		{"not_before", timeText(rec.NotBefore)},
		{"expires_at", timeText(rec.ExpiresAt)},
		{"issued_at", timeText(rec.IssuedAt)},
		{"credential", c.credentials(rec)},
	}
	if c.before == nil {
		return list
	}
	return append(list, fieldText{"user", rec.User}, fieldText{"name", rec.Name.Name},
		fieldText{"generation", strconv.FormatUint(rec.Generation, 10)})
}

// credentials names the credentials by their keys, and says which are new to a
// token that is there, or will be made.
func (c *comparison) credentials(rec *store.Record) string {
	var texts []string
	for _, one := range rec.Credentials {
		var words []string
		known := !c.made[one.Key]
		if known {
			words = append(words, one.Key.String())
		}
		if !known || c.before != nil && !slices.ContainsFunc(c.before.Credentials, func(o store.Credential) bool { return one.Alike(&o) }) {
			words = append(words, isNew)
		}
		if !one.GoodUntil.IsZero() {
			words = append(words, "until", timeText(one.GoodUntil))
		}
		texts = append(texts, strings.Join(words, " "))
	}
	return strings.Join(texts, ", ")
}

// learn notes which keys of the record were made up: those that neither the
// token had nor the entry states.
func (c *comparison) learn(after *store.Record) {
	for _, one := range after.Credentials {
		had := c.before != nil && c.before.Credential(one.Key) != nil
		stated := c.entry.Key.OK && c.entry.Key.Value == one.Key ||
			slices.ContainsFunc(c.entry.Sources, func(s Source) bool { return !s.Generate && s.Key == one.Key })
		if !had && !stated {
			c.made[one.Key] = true
		}
	}
}

// changedFields lists the fields whose texts differ. Both lists are in the same
// order.
func changedFields(before, after []fieldText) []FieldChange {
	var changes []FieldChange
	for i, f := range after {
		if f.text != before[i].text {
			changes = append(changes, FieldChange{Field: f.field, Old: before[i].text, New: f.text})
		}
	}
	return changes
}

func ruleFields(m store.Mark, ok bool) []fieldText {
	fields := []fieldText{{field: "blocked"}, {field: "reason"}}
	if ok {
		rule := store.RuleOf(m.Value)
		fields[0].text, fields[1].text = strconv.FormatBool(rule.Blocked), rule.Reason
	}
	return fields
}

func prefixTexts(prefixes []netip.Prefix) []string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return texts
}

func labelTexts(labels []store.Label) []string {
	texts := make([]string, len(labels))
	for i, l := range labels {
		texts[i] = l.Key + "=" + l.Value
	}
	return texts
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
