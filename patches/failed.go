package patches

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// FailedFile is a patch that has failed, and whose file says so.
type FailedFile struct {
	Path    string   // relative to the directory, without the outcome's suffix
	Reasons []string // none where they cannot be read
	Since   time.Time
}

// maxReason bounds what is read of a reason, in bytes.
const maxReason = 64 << 10

// FailedFiles lists the patches in a drop directory that have failed, in the
// byte order of their paths: at most that many, with the number of all of them.
// exclude is as in Config. No link is followed below the directory, nothing is
// changed, and what cannot be opened counts as empty.
func FailedFiles(ctx context.Context, root string, exclude []string, most int) (list []FailedFile, count int, err error) {
	top, err := openFolder(root)
	if err != nil {
		return nil, 0, fmt.Errorf("looking for failed patches: %w", err)
	}
	defer top.close()
	var found []string
	err = eachFailed(ctx, top, root, ".", exclude, func(rel string) { found = append(found, rel) })
	if err != nil {
		return nil, 0, err
	}
	slices.Sort(found)
	for _, rel := range found[:min(most, len(found))] {
		if f, ok := readFailed(top, rel); ok {
			list = append(list, f)
		}
	}
	return list, len(found), nil
}

// eachFailed calls found with the paths of all patches that have failed.
func eachFailed(ctx context.Context, in *folder, abs, rel string, exclude []string, found func(string)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := in.list(abs)
	if err != nil {
		return nil //nolint:nilerr // whoever scans it says so
	}
	for _, e := range entries {
		at := path.Join(rel, e.Name())
		if e.IsDir() {
			ok, _ := EligibleFolder(e.Name())
			if !ok || slices.Contains(exclude, path.Join(abs, e.Name())) {
				continue
			}
			sub, err := in.sub(e.Name())
			if err != nil {
				continue
			}
			err = eachFailed(ctx, sub, path.Join(abs, e.Name()), at, exclude, found)
			sub.close()
			if err != nil {
				return err
			}
			continue
		}
		name, failed := strings.CutSuffix(e.Name(), failedSuffix)
		if ok, _ := Eligible(name); failed && ok && e.Type().IsRegular() {
			found(strings.TrimSuffix(at, failedSuffix))
		}
	}
	return nil
}

// readFailed tells of a patch that has failed, unless it is gone meanwhile.
func readFailed(top *folder, rel string) (f FailedFile, ok bool) {
	in, done, err := descend(top, path.Dir(rel))
	if err != nil {
		return f, false
	}
	defer done()
	base := path.Base(rel)
	st, err := in.stat(base + failedSuffix)
	if err != nil {
		return f, false
	}
	f = FailedFile{Path: rel, Since: st.ctime} // when it got this name
	if text, err := in.readPlain(base+reasonSuffix, maxReason); err == nil {
		f.Reasons = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	return f, true
}

// readPlain reads at most limit bytes of a regular file with one link.
func (f *folder) readPlain(name string, limit int64) ([]byte, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.close()
	st, err := file.stat()
	if err == nil && !st.plain() {
		err = errNotPlain
	}
	if err != nil {
		return nil, err
	}
	return file.read(min(st.size, limit))
}

// descend opens the folder of that path below another one. The caller calls
// done with it.
func descend(top *folder, rel string) (in *folder, done func(), err error) {
	in, done = top, func() {}
	if rel == "." {
		return in, done, nil
	}
	for name := range strings.SplitSeq(rel, "/") {
		next, err := in.sub(name)
		done()
		if err != nil {
			return nil, nil, err
		}
		in, done = next, next.close
	}
	return in, done, nil
}

// What Retry may return, beside errors of the system.
var (
	// ErrNoFailure: there is no such patch, or it has not failed.
	ErrNoFailure = errors.New("no patch of that name has failed")
	// ErrNewer: a newer file has the patch's name.
	ErrNewer = errors.New("a newer file of that name is there, and goes first")
)

// Retry makes a patch of a failed one again: NAME.failed becomes NAME, and its
// reason goes. It may be stopped anywhere: what has its name is a patch. The
// companion comes after the patch, which waits for it; where a newer one is
// there, that is taken.
func Retry(root, rel string) error {
	if ok, _ := Eligible(path.Base(rel)); !ok || !fs.ValidPath(rel) {
		return ErrNoFailure
	}
	top, err := openFolder(root)
	if err != nil {
		return fmt.Errorf("opening the drop directory: %w", err)
	}
	defer top.close()
	in, done, err := descend(top, path.Dir(rel))
	if err != nil {
		return fmt.Errorf("opening the patch's directory: %w", err)
	}
	defer done()
	return in.retry(path.Base(rel))
}

func (f *folder) retry(name string) error {
	st, err := f.stat(name + failedSuffix)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.plain() {
		return ErrNoFailure
	}
	if err == nil {
		err = f.putBack(name+failedSuffix, f, name)
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrNewer
	}
	if err == nil {
		err = f.putBack(name+companionSuffix+failedSuffix, f, name+companionSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = f.remove(name + reasonSuffix)
	}
	if err == nil {
		err = f.sync()
	}
	if err != nil {
		return fmt.Errorf("making a patch of a failed one again: %w", err)
	}
	return nil
}
