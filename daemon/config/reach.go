package config

import (
	"fmt"
	"maps"
	"slices"
)

// own is a file of the configuration that holds secrets or says who has
// rights: what a manifest must never read, write or lie beside.
type own struct{ key, name, path string }

func (c *Config) own() []own {
	var files []own
	if c.File != "" {
		files = append(files, own{"", "the configuration itself", c.File})
	}
	add := func(key, name string, paths ...string) {
		for _, path := range paths {
			if path != "" {
				files = append(files, own{key, name, path})
			}
		}
	}
	add("tokens.pepper_files", "one of pepper_files", c.Tokens.PepperFiles...)
	add("tokens.encryption_key_files", "one of encryption_key_files", c.Tokens.EncryptionKeyFiles...)
	for _, id := range slices.Sorted(maps.Keys(c.Tokens.Imports)) {
		add("tokens.import."+id+".salt_file", "a salt_file", c.Tokens.Imports[id])
	}
	add("verify.tls_key", "tls_key", c.Verify.TLSKey)
	add("introspect.token_file", "the token_file of introspect", c.Introspect.TokenFile)
	for i, d := range c.Drops {
		if d.Rules.Policy != nil {
			add(dropKey(i)+".policy.allowed_signers", "a file of allowed_signers", d.Rules.Policy.AllowedSigners)
		}
	}
	return files
}

// ownSecrets lists the files of the configuration that hold secrets or say who
// has rights, itself among them: no manifest may read or write them.
func (c *Config) ownSecrets() []string {
	var paths []string
	for _, o := range c.own() {
		paths = append(paths, o.path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// reach is a directory in which manifests may have files read or written.
type reach struct {
	drop   int
	name   string // of its key
	entry  int    // of the key's list, from 1
	path   string
	writes bool
}

func (c *Config) reaches() []reach {
	var all []reach
	for i, d := range c.Drops {
		for n, path := range d.Rules.SecretDirs {
			all = append(all, reach{i, "secret_dirs", n + 1, path, false})
		}
		for n, path := range d.Rules.OutputDirs {
			all = append(all, reach{i, "output_dirs", n + 1, path, true})
		}
	}
	return all
}

func (d reach) key() string { return dropKey(d.drop) + "." + d.name }

// checkReach keeps what manifests may read and write apart from what decides
// over tokens. Links are not followed here, so that whoever opens such a file
// compares it with ownSecrets once more.
func (r *reading) checkReach() {
	all, files := r.config.reaches(), r.config.own()
	for _, d := range all {
		if text := r.reachesTooFar(d, all, files); text != "" {
			r.problem(d.key(), fmt.Sprintf("%s: entry %d: %s", d.name, d.entry, text))
		}
	}
}

func (r *reading) reachesTooFar(d reach, all []reach, files []own) string {
	if store := r.config.Store; store.Backend == Badger && overlap(d.path, store.Path) {
		return "cannot be in the store's path or around it: use another directory" + seeAlso(r.place("store.path"))
	}
	for i, drop := range r.config.Drops {
		if drop.Path != "" && overlap(d.path, drop.Path) {
			return "cannot be in the path of a drop directory or around it, where files are manifests: use another directory" + seeAlso(r.place(dropKey(i)+".path"))
		}
	}
	for _, o := range files {
		if within(o.path, d.path) {
			return fmt.Sprintf("%s lies in it, which no manifest may reach: use another directory%s", o.name, r.seeOwn(o))
		}
	}
	for _, other := range all {
		if d.writes && !other.writes && d.drop != other.drop && overlap(d.path, other.path) {
			return "overlaps secret_dirs of another drop directory, for which manifests here could then choose secrets: use another directory" + seeAlso(r.place(other.key()))
		}
	}
	return ""
}

// checkOwn keeps the configuration's own files out of a drop directory, whose
// writers could replace them.
func (r *reading) checkOwn(i int) {
	for _, o := range r.config.own() {
		if within(o.path, r.config.Drops[i].Path) {
			r.problem(dropKey(i)+".path", fmt.Sprintf("%s lies in this drop directory, and could be replaced or taken for a manifest: use another directory%s", o.name, r.seeOwn(o)))
		}
	}
}

// seeOwn points at the key that names the file.
func (r *reading) seeOwn(o own) string {
	if o.key == "" {
		return ""
	}
	return seeAlso(r.place(o.key))
}
