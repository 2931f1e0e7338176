package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tokendrop/tokendrop/daemon/admin"
)

// knowing knows one token, whose user and name hold slashes, and another that is
// called like a third.
type knowing struct{ admin.Service }

func (knowing) Token(_ context.Context, called string) (admin.Token, error) {
	switch called {
	case "/users/root/a/b":
		return admin.Token{User: "/users/root", Name: "a/b"}, nil
	case "x/y/z":
		return admin.Token{}, errors.New("several tokens are called so")
	}
	return admin.Token{}, admin.ErrNoToken
}

// What a command line says, as the entry of a manifest; "" where it is wrong.
func TestEntry(t *testing.T) {
	for _, tt := range []struct {
		action string
		line   []string
		want   string
	}{
		{"create", []string{"/users/root/a"}, `{"action":"create","generate":true,"name":"a","user":"/users/root"}`},
		{"create", []string{"--user", "u", "--name", "a/b", "--digest", "d"}, `{"action":"create","digest":"d","name":"a/b","user":"u"}`},
		{"create", []string{"a"}, ""},
		{"create", []string{"u/a", "--user", "u"}, ""},
		{"create", []string{"u/a", "--description", "\xff"}, ""},
		{"create", []string{"u/\xff"}, ""},
		{"create", []string{"u/a", "--labels", "a=b=c,d="}, `{"action":"create","generate":true,"labels":{"a":"b=c","d":""},"name":"a","user":"u"}`},
		{"create", []string{"u/a", "--labels", "a=b,a=c"}, ""},
		{"create", []string{"u/a", "--labels", "a"}, ""},
		{"create", []string{"u/a", "--token-file", "/dev/null"}, ""},
		{"ensure", []string{"/users/root/a/b", "--active=false"}, `{"action":"ensure","active":false,"name":"a/b","user":"/users/root"}`},
		{"update", []string{"/users/root/a/b", "--name", "c", "--scopes", ""}, `{"action":"update","name":"a/b","set":{"name":"c","scopes":[]},"user":"/users/root"}`},
		{"update", []string{"/users/root/a/b"}, ""},
		{"delete", []string{"/users/root/other/b"}, `{"action":"delete","name":"b","user":"/users/root/other"}`},
		{"delete", []string{"x/y/z"}, ""},
		{"delete", nil, ""},
		{"delete", []string{"9201cd9b-4e62-415e-b523-e198dd7e4756"}, `{"action":"delete","key":"9201cd9b-4e62-415e-b523-e198dd7e4756"}`},
		{"delete", []string{"--key", "a,b"}, `{"action":"delete","key":["a","b"]}`},
		{"disable", []string{"--user", "u", "--all", "--expect", "2"}, `{"action":"disable","all":true,"expect":2,"user":"u"}`},
		{"copy", []string{"/users/root/a/b", "u/c", "--expires-in", "1d"}, `{"action":"copy","expires_in":"1d","from":{"name":"a/b","user":"/users/root"},"name":"c","user":"u"}`},
		{"regenerate", []string{"u/a", "--generation", "3"}, `{"action":"regenerate","generation":3,"name":"a","user":"u"}`},
	} {
		for i := range changes {
			if changes[i].action != tt.action {
				continue
			}
			cmd := &cobra.Command{}
			cmd.SetContext(t.Context())
			addFields(cmd, changes[i].fields)
			if err := cmd.ParseFlags(tt.line); err != nil {
				t.Fatal(err)
			}
			args := cmd.Flags().Args()
			e, err := changes[i].stated(new(cli), cmd, args)
			if err == nil {
				e, err = changes[i].entry(new(cli), &namer{t.Context(), knowing{}}, e, args)
			}
			got, _ := json.Marshal(e)
			if (err != nil) != (tt.want == "") || err == nil && string(got) != tt.want {
				t.Errorf("%s %q\nis   %s, %v\nwant %s", tt.action, tt.line, got, err, tt.want)
			}
		}
	}
}
