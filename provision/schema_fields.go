package provision

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fieldSchemas are those of an entry's fields or, with set, of what an update
// sets, where an empty text clears a field.
func fieldSchemas(set bool) map[string]object {
	fields := attributeSchemas(set)
	maps.Copy(fields, selectorSchemas())
	maps.Copy(fields, sourceFields())
	fields["key"] = object{"anyOf": []object{
		keySchema(), {"type": "array", "items": keySchema(), "minItems": 1, "maxItems": maxEntries, "uniqueItems": true},
	}}
	maps.Copy(fields, map[string]object{
		"action":      {"enum": actions},
		"all":         {"const": true, "description": "all tokens of the user"},
		"expect":      {"type": "integer", "minimum": 0, "description": "how many tokens a list of keys, or \"all\", has to find"},
		"credentials": {"type": "array", "items": ref("credential"), "minItems": 1, "maxItems": maxCredentials},
		"from":        ref("from"),
		"set":         ref("set"),
		"write_to":    ref("output"),
		"grace":       pattern(durationForm.String(), "how long replaced credentials stay good, at most 30d"),
		"generation":  {"type": "integer", "minimum": 1, "description": "nothing is done at this generation or beyond"},
		"older_than":  lasting1s("nothing is done to a secret that is not older"),
	})
	return fields
}

func selectorSchemas() map[string]object {
	return map[string]object{
		"user": nameSchema(maxUser, "whose token it is; what that means is the protected service's business"),
		"name": nameSchema(maxName, "unique among the tokens of the user"),
		"key":  keySchema(),
	}
}

func sourceFields() map[string]object {
	return map[string]object{
		"key":        keySchema(),
		"token":      {"type": "string", "minLength": 20, "maxLength": 512, "pattern": "^[!-~]+$", "description": "the token itself, a secret; better are \"key\" and \"digest\""},
		"token_file": pathSchema("a file with the token in it, beneath the drop directory's \"secret_dirs\""),
		"token_env":  pattern(envForm.String(), "a variable of the daemon's environment with the token in it, of the drop directory's \"secret_env\""),
		"digest":     pattern("^(sha256:([0-9A-Za-z+/]{43}=|[0-9a-f]{64})|hmac-sha512:[0-9A-Za-z_-]{1,64}:[0-9a-f]{128}|hmac-sha256:[0-9A-Za-z_-]{1,64}:[0-9a-f]{64})$", "of the secret, as \"tokendrop token key --manifest\" prints it"),
		"generate":   {"const": true, "description": "the daemon makes the token"},
	}
}

// attributeSchemas are those of attributeKeys.
func attributeSchemas(set bool) map[string]object {
	words := func(extra, what string) object {
		return object{"type": "array", "items": word(extra), "maxItems": maxWords, "uniqueItems": true, "description": what}
	}
	times := []object{{"pattern": dateForm.String()}, {"pattern": timeForm.String()}}
	fields := map[string]object{
		"description": textSchema(maxDescription, "for people"),
		"expires_at":  orWord(oneOf(times), "never", set, "the first instant at which it is no longer good; a date is good through its end, UTC"),
		"expires_in":  orWord(lasting1s(""), "unlimited", set, "the same, counted from when it is issued"),
		"not_before":  withText(oneOf(times), "not good before"),
		"issued_at":   withText(oneOf(times), "when it was issued"),
		"active":      {"type": "boolean"},
		"type":        {"enum": types},
		"scopes":      words("*", "what a custom token may do; * is any run of characters"),
		"scope_sets":  words("", "names of sets of scopes in the configuration"),
		"allowed_ips": {"type": "array", "items": pattern(`^([0-9]+(\.[0-9]+){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(/[0-9]+)?$`, "an address, or a network in CIDR"), "maxItems": maxEntries, "uniqueItems": true},
		"audience":    withText(word(""), "the gates at which it is good"),
		"labels": {
			"type": "object", "maxProperties": maxLabels, "additionalProperties": textSchema(maxLabel, ""),
			"propertyNames": object{"pattern": "^[" + labelKeyBytes + "]+$", "maxLength": maxLabelKey},
		},
	}
	if set {
		fields["not_before"] = orWord(oneOf(times), "never", set, "not good before")
		fields["audience"] = object{"anyOf": []object{word(""), {"const": ""}}}
	}
	return fields
}

func setSchema() object {
	s := mapping(setKeys, fieldSchemas(true))
	s["minProperties"] = 1
	s["dependentSchemas"] = object{"expires_at": lacks("expires_in")}
	s["allOf"] = []object{typeSchema()}
	return s
}

func fromSchema() object {
	s := mapping(fromKeys, selectorSchemas())
	s["anyOf"] = []object{required("key"), required("user", "name")}
	s["dependentRequired"] = object{"user": []string{"name"}, "name": []string{"user"}}
	return s
}

func credentialSchema() object {
	s := mapping(credentialKeys, sourceFields())
	s["anyOf"] = append(requiredEach(secretKeys), required("generate"))
	dependent := sourceSchemas()
	dependent["generate"] = lacks(slices.Concat(secretKeys, []string{"key"})...)
	s["dependentSchemas"] = dependent
	return s
}

func outputSchema() object {
	path := pathSchema("where the token is written, beneath the drop directory's \"output_dirs\"")
	path["allOf"] = []object{{"not": object{"pattern": `\` + stagedSuffix + "$"}}}
	s := mapping(outputKeys, map[string]object{
		"path":   path,
		"mode":   pattern(modeForm.String(), "permissions in octal; 0600 unless stated"),
		"owner":  pattern(accountForm.String(), "a user's name or number"),
		"group":  pattern(accountForm.String(), "a group's name or number"),
		"format": {"enum": outputFormats, "description": "the token, JSON, or lines for a shell; raw unless stated"},
	})
	s["required"] = []string{"path"}
	return s
}

func pathSchema(what string) object {
	return withText(object{
		"type": "string", "maxLength": maxPath, "pattern": "^(/" + printable("/") + "+)+$",
		"not": object{"pattern": `/\.{1,2}(/|$)`},
	}, what)
}

func userSchema() object {
	s := mapping(userKeys, map[string]object{
		"user":    nameSchema(maxUser, "or a pattern: * does not cross a /, ** does"),
		"blocked": {"type": "boolean", "description": "whether every token of the user is refused"},
		"reason":  textSchema(maxReason, "for people"),
	})
	s["required"] = []string{"user", "blocked"}
	return s
}

// Lengths in a schema are counted in characters: no text of fewer bytes is
// longer.

func nameSchema(limit int, what string) object {
	inside, end := printable(""), printable(`\s`)
	return object{"type": "string", "maxLength": limit, "pattern": "^" + end + "(" + inside + "*" + end + ")?$", "description": what}
}

func textSchema(limit int, what string) object {
	return withText(object{"type": "string", "maxLength": limit, "pattern": "^" + printable("") + "*$"}, what)
}

// printable is a class of what a text may have, without what is left out.
func printable(leftOut string) string {
	var b strings.Builder
	b.WriteString(`[^\x00-\x1f\x7f-\x9f` + leftOut + "\ufffd")
	for _, r := range invisible.R16 {
		fmt.Fprintf(&b, "%c-%c", r.Lo, r.Hi)
	}
	for _, r := range invisible.R32 {
		fmt.Fprintf(&b, "%c-%c", r.Lo, r.Hi)
	}
	return b.String() + "]"
}

func keySchema() object {
	return pattern("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "as \"tokendrop list\" and \"tokendrop token key\" print it")
}

func word(extra string) object {
	return object{"type": "string", "maxLength": maxWord, "pattern": "^[" + extra + wordBytes + "]+$"}
}

// lasting1s is a duration that is no zero.
func lasting1s(what string) object {
	return withText(object{"type": "string", "pattern": durationForm.String(), "not": object{"pattern": "^0+[smhd]$"}}, what)
}

// orWord admits a word too and, where it clears a field, an empty text.
func orWord(s object, w string, set bool, what string) object {
	words := []string{w}
	if set {
		words = append(words, "")
	}
	return withText(object{"anyOf": []object{s, {"enum": words}}}, what)
}

func oneOf(forms []object) object { return object{"type": "string", "anyOf": forms} }

func pattern(form, what string) object {
	return withText(object{"type": "string", "pattern": form}, what)
}

// withText adds what a field means, which editors show.
func withText(s object, what string) object {
	if what != "" {
		s["description"] = what
	}
	return s
}
