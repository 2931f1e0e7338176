// Package examples holds manifests that people start from, a folder a story.
// Those of dev are built into the binary for "tokendrop serve --dev".
package examples

import (
	"embed"
	"io/fs"
)

//go:embed dev
var files embed.FS

// Dev are the manifests that "serve --dev" drops.
var Dev = mustSub("dev")

func mustSub(dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) //nolint:forbidigo // dir is a constant of this package
	}
	return sub
}

// Try is a question to ask after Dev has been applied.
type Try struct{ What, Token string }

// DevTries show a yes first. Their tokens are in this file for everybody to
// read: good for trying tokendrop out, and for nothing else.
var DevTries = []Try{
	{"a yes, with the identity in the headers", "kgBje/TuRPyb4GnzFNlMsoB9nEQv1qJKZBmjO6uEy0w="},
	{"a no: the token is disabled", "u5FuUv79R96/HJ4ESYH7y4IF8RrSh+1N//Yb97YjT4M="},
	{"a no: nobody knows this token", "UFXWaXNnTSWEFAb7qYGDYd7WxMPK9oa3mVG9lNctXgg="},
}
