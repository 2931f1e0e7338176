package provision

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stagedSuffix ends the names of files that are not in their places yet.
const stagedSuffix = ".tokendrop"

// maxOutputName is how long the last part of an output's path may be, in bytes,
// so that there is room for what it is called before.
const maxOutputName = 255 - len(".") - len(stagedSuffix)

// defaultMode are the permissions of an output that states none.
const defaultMode = 0o600

var (
	// modeForm admits no mode that keeps the owner from reading, none that lets
	// others write, and no bits beside permissions.
	modeForm    = regexp.MustCompile(`^0?[4-7][0-7][0145]$`)
	accountForm = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,63}|0|[1-9][0-9]{0,8})$`)
)

var outputFormats = []string{string(RawOutput), string(JSONOutput), string(EnvOutput)}

// writeTo reads where a generated token goes.
func (v *validator) writeTo(fs *fields, e *Entry) {
	f := fs.stated("write_to")
	if f == nil {
		return
	}
	v.somethingToWrite(f, fs, e)
	if !v.typed(f, mapKind) {
		return
	}
	of := v.fields(f.value, outputScope)
	out := Output{Mode: v.mode(of.stated("mode")), Owner: v.account(of.stated("owner")), Group: v.account(of.stated("group")), Format: RawOutput}
	if text, ok := v.choice(of.stated("format"), outputFormats); ok {
		out.Format = OutputFormat(text)
	}
	if p := of.stated("path"); p != nil {
		out.Path = v.outputPath(p)
	} else if of.missing("path") {
		v.report.also(f.value.pos, `"path" is missing; state the file that the token is written to`)
	}
	e.WriteTo = Stated[Output]{Value: out, Pos: f.value.pos, OK: true}
}

// somethingToWrite checks that the entry generates one secret. What is wrong
// with its sources has been reported.
func (v *validator) somethingToWrite(f *field, fs *fields, e *Entry) {
	generated := 0
	for _, s := range e.Sources {
		if s.Generate {
			generated++
		}
	}
	switch {
	case generated == 1, fs.stated("generate") != nil, e.Action == "":
	case generated > 1:
		v.report.at(f.key.pos, `"write_to" is one file, and there are two secrets to write; generate one of them here, and the other in a later manifest`)
	case fs.stated("credentials") != nil && slices.ContainsFunc(e.Sources, func(s Source) bool { return s.Pos.Line == 0 }):
	case e.Action != Create || !fs.missing(sourceKeys...):
		v.report.at(f.key.pos, `"write_to" is for a secret that is generated here; state "generate: true", or remove it`)
	}
}

func (v *validator) outputPath(f *field) string {
	text, ok := v.path(f)
	if !ok {
		return ""
	}
	problem := ""
	switch name := path.Base(text); {
	case len(name) > maxOutputName:
		problem = "has a last part of more than " + strconv.Itoa(maxOutputName) + " bytes"
	case strings.HasSuffix(name, stagedSuffix):
		problem = "ends in .tokendrop, as files do that are being written; write another name"
	}
	if problem != "" {
		v.report.at(f.value.pos, f.name()+" "+problem)
	}
	return text
}

func (v *validator) mode(f *field) fs.FileMode {
	if f == nil {
		return defaultMode
	}
	text, ok := v.text(f)
	switch {
	case !ok:
		return defaultMode
	case !modeForm.MatchString(text):
		v.report.at(f.value.pos, f.name()+` is no mode that can be used; write three octal digits like "0640", of which the owner may read and others may not write`)
	}
	mode, _ := strconv.ParseUint(text, 8, 32) // of the form above, or reported
	return fs.FileMode(mode)
}

// account reads the name or the number of a user or a group.
func (v *validator) account(f *field) Stated[string] {
	if f == nil {
		return Stated[string]{}
	}
	text, ok := v.text(f)
	if ok && !accountForm.MatchString(text) {
		v.report.at(f.value.pos, f.name()+" is neither a name nor a number that an account can have; write it as \"id\" prints it")
		ok = false
	}
	return Stated[string]{Value: text, Pos: f.value.pos, OK: ok}
}
