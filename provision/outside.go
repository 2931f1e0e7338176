package provision

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/tokendrop/tokendrop/store/token"
)

// maxPath is how long the path of a file may be, in bytes.
const maxPath = 4095

// outside reads where a token is that the manifest only points to.
func (v *validator) outside(fs *fields, key Stated[token.Key]) []Source {
	s := Source{Credential: Credential{Key: key.Value, HasKey: key.OK}}
	var ok bool
	f := fs.stated("token_file")
	if f != nil {
		s.File, ok = v.path(f)
	} else {
		f = fs.stated("token_env")
		s.Env, ok = v.variable(f)
	}
	if !ok {
		return nil
	}
	s.Pos = f.value.pos
	return []Source{s}
}

// path reads the path of a file, in the one spelling that it has without
// looking at links.
func (v *validator) path(f *field) (string, bool) {
	text, ok := v.text(f)
	if !ok {
		return "", false
	}
	problem := ""
	switch {
	case !strings.HasPrefix(text, "/"):
		problem = "is no absolute path; write one that starts with /"
	case len(text) > maxPath:
		problem = fmt.Sprintf("is longer than %d bytes", maxPath)
	case text == "/", strings.HasSuffix(text, "/"):
		problem = "is a directory; write the path of a file in it"
	case path.Clean(text) != text:
		problem = "has an empty part, . or .. in it; write the path without"
	}
	if problem != "" {
		v.report.at(f.value.pos, f.name()+" "+problem)
	}
	return text, problem == ""
}

// envForm is what the names of variables look like (POSIX.1-2017, 8.1, and
// lower case).
var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func (v *validator) variable(f *field) (string, bool) {
	text, ok := v.text(f)
	if ok && !envForm.MatchString(text) {
		v.report.at(f.value.pos, f.name()+" is no name of a variable; write one of A-Z a-z 0-9 and _, without $")
		ok = false
	}
	return text, ok
}
