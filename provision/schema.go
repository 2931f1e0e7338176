package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Schema is the JSON Schema (draft 2020-12) of manifests, in ASCII. It is made
// of the tables that the validator reads by, and admits whatever the validator
// accepts.
func Schema() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(topSchema()) // there is nothing in it that JSON cannot write
	return ascii(b.String())
}

// ascii writes characters as escapes where they might be invisible.
func ascii(text string) []byte {
	var b []byte
	for _, c := range text {
		switch {
		case c <= '~':
			b = append(b, byte(c))
		case c > 0xffff:
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return b
}

// object is a JSON Schema, or a part of one.
type object map[string]any

func topSchema() object {
	defs := object{
		"entry": entrySchema(), "set": setSchema(), "from": fromSchema(),
		"credential": credentialSchema(), "output": outputSchema(), "user": userSchema(),
	}
	for _, action := range actions {
		defs[action] = actionSchema(Action(action))
	}
	top := mapping(topKeys, map[string]object{
		"version":    {"const": 1},
		"action":     {"enum": actions, "description": "the action of the entries that state none"},
		"on_success": {"enum": dispositions, "description": "what becomes of the file once it is applied"},
		"once":       nameSchema(maxOnce, "the manifest is applied a single time under this name"),
		"for":        {"type": "string", "pattern": "^.+/[^/]+$", "description": "where the manifest has to lie, as DROPNAME/PATH"},
		"serial":     {"type": "integer", "minimum": 1, "description": "higher than any that was installed from that place"},
		"tokens":     {"type": "array", "items": ref("entry"), "maxItems": maxEntries},
		"users":      {"type": "array", "items": ref("user"), "maxItems": maxEntries},
	})
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "tokendrop manifest"
	top["$defs"] = defs
	top["anyOf"] = []object{required("tokens"), required("users"), {"maxProperties": 0}}
	top["allOf"] = defaultActions()
	return top
}

// defaultActions says which action holds for an entry that states none.
func defaultActions() []object {
	all := []object{{
		"if":   without(required("action")),
		"then": tokensAre(required("action")),
	}}
	for _, action := range actions {
		all = append(all, object{
			"if":   having("action", object{"const": action}),
			"then": tokensAre(object{"anyOf": []object{required("action"), ref(action)}}),
		})
	}
	return all
}

func tokensAre(s object) object { return properties("tokens", object{"items": s}) }

func entrySchema() object {
	entry := mapping(entryKeys, fieldSchemas(false))
	all := []object{typeSchema(), listSchema()}
	for _, action := range actions {
		all = append(all, object{"if": having("action", object{"const": action}), "then": ref(action)})
	}
	entry["allOf"] = all
	entry["dependentRequired"] = object{"name": []string{"user"}, "all": []string{"user"}}
	dependent := sourceSchemas()
	dependent["expires_at"] = lacks("expires_in")
	dependent["user"] = object{"anyOf": []object{required("name"), required("all")}}
	dependent["all"] = lacks(slices.Concat([]string{"name", "key"}, secretKeys)...)
	dependent["expect"] = object{"anyOf": []object{required("all"), having("key", object{"type": "array"})}}
	entry["dependentSchemas"] = dependent
	return entry
}

// sourceSchemas say that one source of credentials excludes the others.
func sourceSchemas() object {
	dependent := object{}
	for i, key := range sourceKeys {
		dependent[key] = lacks(slices.Concat(sourceKeys[:i], sourceKeys[i+1:])...)
	}
	return dependent
}

// listSchema is what goes with a list of keys, or with all tokens of a user.
func listSchema() object {
	list := having("key", object{"type": "array"})
	several := object{"anyOf": []object{list, required("all")}}
	return object{"allOf": []object{
		{"if": list, "then": lacks(slices.Concat([]string{"user", "name"}, secretKeys)...)},
		{"if": several, "then": properties("set", lacks("user", "name"))},
	}}
}

// actionSchema is what an entry may have, and must have, under an action.
func actionSchema(action Action) object {
	s := object{"propertyNames": object{"enum": allowedKeys[action]}}
	several := slices.Contains(allowedKeys[action], "all")
	named := required("user", "name")
	switch {
	case action == Create || action == Copy:
		s["required"] = []string{"user", "name"}
	case action == Revoke:
		s["anyOf"] = append([]object{named, required("key"), required("all")}, requiredEach(secretKeys)...)
	case several:
		s["anyOf"] = []object{named, required("key"), required("all")}
	default:
		s["anyOf"] = []object{named, required("key")}
	}
	if !several {
		s["properties"] = object{"key": object{"type": "string"}}
	}
	switch action {
	case Create:
		s["allOf"] = createSchemas()
		s["dependentSchemas"] = object{"write_to": generatesOne()}
	case Ensure:
		s["dependentSchemas"] = object{"write_to": generatesOne()}
	case Regenerate:
		s["dependentSchemas"] = object{"write_to": lacks(secretKeys...)}
	case Update:
		s["required"] = []string{"set"}
	case Copy:
		s["required"] = []string{"user", "name", "from"}
	}
	return s
}

// createSchemas say what only a create needs, because what it does not state
// has its default.
func createSchemas() []object {
	custom := having("type", object{"const": types[len(types)-1]})
	var scoped []object
	all := []object{
		{"anyOf": requiredEach(sourceKeys)},
		{"if": object{"anyOf": []object{required("generate"), required("credentials")}}, "then": lacks("key")},
	}
	for _, key := range []string{"scopes", "scope_sets"} {
		some := having(key, object{"minItems": 1})
		all = append(all, object{"if": some, "then": custom})
		scoped = append(scoped, some)
	}
	return append(all, object{"if": custom, "then": object{"anyOf": scoped}})
}

// generatesOne is for what generates one secret, which can be written.
func generatesOne() object {
	one := object{"contains": required("generate"), "minContains": 1, "maxContains": 1}
	return object{"anyOf": []object{required("generate"), having("credentials", one)}}
}

// typeSchema says that scopes go with the last of the types only.
func typeSchema() object {
	none := object{"maxItems": 0}
	return object{
		"if":   having("type", object{"enum": types[:len(types)-1]}),
		"then": object{"properties": object{"scopes": none, "scope_sets": none}},
	}
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

func required(keys ...string) object { return object{"required": keys} }

func requiredEach(keys []string) []object {
	var list []object
	for _, key := range keys {
		list = append(list, required(key))
	}
	return list
}

func properties(key string, s object) object { return object{"properties": object{key: s}} }

// having is for a key that is there and has such a value.
func having(key string, s object) object {
	return object{"required": []string{key}, "properties": object{key: s}}
}

// lacks is for what has none of the keys.
func lacks(keys ...string) object {
	none := object{}
	for _, key := range keys {
		none[key] = false
	}
	return object{"properties": none}
}

func without(s object) object { return object{"not": s} }

// mapping has keys of a table, and no others.
func mapping(keys []string, fields map[string]object) object {
	known := object{}
	for _, key := range keys {
		known[key] = fields[key]
	}
	return object{"type": "object", "properties": known, "additionalProperties": false}
}
