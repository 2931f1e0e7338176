package admin

import (
	"io/fs"
	"os"
	"path"
	"strconv"

	"github.com/tokendrop/tokendrop/patches"
)

// untouched tells why nothing has become of what lies at a path, and its outcome:
// "" where nothing ever will. Where why is "" there is no reason why not.
func (o *look) untouched(rel string) (outcome, why string) {
	if o.status.State != patches.Working {
		return Waiting, stateText(&o.status)
	}
	if rel == "" {
		return "", ""
	}
	if why := o.status.LeftAlone[rel]; why != "" {
		return "", why
	}
	for dir := path.Dir(rel); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if why := o.folderWhy(dir); why != "" {
			return "", "a directory that it lies in, " + strconv.Quote(dir) + ", is left alone: " + why
		}
	}
	info, err := o.stat(rel)
	switch {
	case err != nil:
		return "", ""
	case info.IsDir():
		return "", o.folderWhy(rel)
	}
	return "", notNamed(path.Base(rel))
}

// folderWhy is why a subdirectory is left alone, "" where it is not.
func (o *look) folderWhy(rel string) string {
	if why := o.status.LeftAlone[rel]; why != "" {
		return why
	}
	ok, why := patches.EligibleFolder(path.Base(rel))
	if !ok && why == "" {
		return hiddenText
	}
	return why
}

func (o *look) exists(rel string) bool {
	_, err := o.stat(rel)
	return err == nil
}

// stat looks at what lies at a path, and nowhere but in the drop directory.
func (o *look) stat(rel string) (fs.FileInfo, error) {
	root, err := os.OpenRoot(o.dir.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing is written
	return root.Lstat(rel)
}
