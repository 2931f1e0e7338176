package provision

import (
	"reflect"
	"strings"
	"testing"
)

func TestTOMLLines(t *testing.T) {
	src := strings.Join([]string{
		/* 1 */ `a.b = """x""" # [no]`,
		/* 2 */ `"quoted" = 'it#s'`,
		/* 3 */ `long = """`,
		/* 4 */ `c = 1 \"""`,
		/* 5 */ `"""""`,
		/* 6 */ `[t]`,
		/* 7 */ `list = ["]", # ]`,
		/* 8 */ `  {in = 1}, [2]]`,
		/* 9 */ `  [[ arr . sub ]]`,
		/* 10 */ `x = {y = {z = 1}, w = 2}`,
		/* 11 */ `[[arr.sub]]`,
		/* 12 */ `x = '''`,
		/* 13 */ `[t]'''`,
		/* 14 */ `[arr.sub.deep]`,
		/* 15 */ "d = 1979-05-27 07:32:00Z\r",
		/* 16 */ `e = 1`,
	}, "\n")
	got, problems := TOMLLines(src)
	want := map[string]int{
		"a": 1, "a.b": 1, "quoted": 2, "long": 3, "t": 6, "t.list": 7, "t.list[1]": 8, "t.list[1].in": 8,
		"arr": 9, "arr.sub": 9, "arr.sub[0]": 9, "arr.sub[0].x": 10, "arr.sub[0].x.y": 10, "arr.sub[0].x.y.z": 10, "arr.sub[0].x.w": 10,
		"arr.sub[1]": 11, "arr.sub[1].x": 12, "arr.sub[1].deep": 14, "arr.sub[1].deep.d": 15, "arr.sub[1].deep.e": 16,
	}
	if !reflect.DeepEqual(got, want) || problems != nil {
		t.Errorf("got  %v, %v\nwant %v", got, problems, want)
	}
}
