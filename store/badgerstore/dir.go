package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// logSuffix ends the names of Badger's logs, which are numbered.
const logSuffix = ".mem"

func logName(number int) string { return fmt.Sprintf("%05d%s", number, logSuffix) }

// prepareDir makes the directory, or closes it to others. It touches none that
// holds other things: its mode may be as wide for a reason.
func prepareDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = checkOurs(path)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm() != 0o700 { // the umask may have taken bits away
		if err := os.Chmod(path, 0o700); err != nil {
			return fmt.Errorf("closing the directory to others: %w", err)
		}
	}
	if err := checkWritable(path); err != nil {
		return fmt.Errorf("a store has to be writable, also to be read: %w", err)
	}
	return checkNeighbour(path)
}

// checkOurs knows a store by its manifest. In one whose first start did not
// come to an end there is nothing, or a part of a manifest, and no anchor beside
// it.
func checkOurs(path string) error {
	files, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	ours := func(f fs.DirEntry) bool { return strings.HasPrefix(f.Name(), badger.ManifestFilename) }
	if len(files) == 0 || slices.ContainsFunc(files, ours) {
		return nil
	}
	if _, err := os.Lstat(anchorPath(path)); err == nil {
		return fmt.Errorf("%w: it has no manifest", ErrDamaged)
	}
	return fmt.Errorf("%w; move it away, or name another path for the store", ErrForeign)
}

// dirLock is a lock on a directory, which ends with the process at the latest.
type dirLock struct{ dir *os.File }

func (l *dirLock) release() error { return l.dir.Close() }

// logs are the numbers of the logs in the directory, in ascending order.
func logs(dir string) ([]int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, f := range files {
		text, ok := strings.CutSuffix(f.Name(), logSuffix)
		if number, err := strconv.Atoi(text); ok && err == nil {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// filesSize is the space that the store's files take, holes not counted.
func filesSize(dir string) (uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, f := range files {
		taken, err := spaceOf(filepath.Join(dir, f.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // as a table that was merged meanwhile
			return 0, err
		}
		total += taken
	}
	return total, nil
}

func newestLog(dir string) (int, error) {
	numbers, err := logs(dir)
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	return numbers[len(numbers)-1], nil
}

// syncLogs makes durable what a killed process has written and not synced,
// because Badger will show it as committed.
func (d *disk) syncLogs() error {
	numbers, err := logs(d.path)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if err := d.sync(filepath.Join(d.path, logName(number))); err != nil {
			return err
		}
	}
	return d.sync(d.path)
}

// valueSuffix ends the names of the files of Badger's value log.
const valueSuffix = ".vlog"

// removeUnborn removes logs that a killed process had made and not given their
// size yet: nothing is in them, and Badger opens no store that has one.
func removeUnborn(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != logSuffix && ext != valueSuffix {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
