package provision

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the messages of testdata/bad anew")

// The token was made by a shipping product, and is valid nowhere any more.
const (
	realToken  = "kgHNm05iQV61I+GY3X5HVr13i866HAAsyou8G+eGubk="
	realKey    = "9201cd9b-4e62-415e-b523-e198dd7e4756"
	realDigest = "sha256:pZGBhjBhSAQOa04eTub/IONhsLhCetBU0IWh7MZOgT0="
	otherToken = "Lfh/02b1SbuZX/u1JFqegMEljMZaPGbsqJf3ALY0AGo="
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lines(file string, problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.In(file) + "\n")
	}
	return b.String()
}

// Invariants 2 and 3: the exact messages, none of which has a value.
func TestBad(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*")
	tested := 0
	for _, path := range files {
		if strings.HasSuffix(path, ".err") {
			continue
		}
		tested++
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, problems := Decoder{}.Decode(path, read(t, path))
			if m != nil || len(problems) == 0 {
				t.Fatal("it was accepted")
			}
			got := lines(filepath.Base(path), problems)
			if *update {
				if err := os.WriteFile(path+".err", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(read(t, path+".err")); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "CANARY") {
				t.Error("a message has a value of the file")
			}
		})
	}
	if tested == 0 {
		t.Error("no bad manifests found")
	}
}

// Invariant 4.
func TestGood(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.yaml")
	if len(files) == 0 {
		t.Fatal("no good manifests found")
	}
	for _, path := range files {
		stem := strings.TrimSuffix(path, ".yaml")
		t.Run(filepath.Base(stem), func(t *testing.T) {
			want := decodeGood(t, path)
			for _, other := range []string{".toml", ".json"} {
				got := decodeGood(t, stem+other)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s differs from .yaml:\n got %+v\nwant %+v", other, got, want)
				}
			}
		})
	}
}

// Invariant 7: dates of TOML are read in the host's zone by the library.
func TestTimeZone(t *testing.T) {
	const path = "testdata/good/all.toml"
	want := decodeGood(t, path)
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for _, zone := range []int{-12, 14} {
		time.Local = time.FixedZone("", zone*3600)
		if got := decodeGood(t, path); !reflect.DeepEqual(got, want) {
			t.Errorf("UTC%+d: another manifest", zone)
		}
	}
}

// decodeGood decodes a file and takes the places out.
func decodeGood(t *testing.T, path string) *Manifest {
	t.Helper()
	m, problems := Decoder{}.Decode(path, read(t, path))
	if len(problems) > 0 {
		t.Fatal(lines(path, problems))
	}
	placeless(reflect.ValueOf(m))
	return m
}

func placeless(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		placeless(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			placeless(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Pos]() {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				placeless(v.Field(i))
			}
		}
	}
}
