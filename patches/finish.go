package patches

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// conclude acts on the verdict on a claim. Only being stopped is an error;
// whatever else goes wrong keeps the claim for later.
func (d *Dir) conclude(c *claim, v Verdict, now time.Time) error {
	switch reasons := strings.Join(v.Reasons, "; "); v.Outcome {
	case Deferred:
		c.putOff(now, PutOff, reasons)
		d.hold(c.item)
		return nil
	case Unfinished:
		d.block(c.item, Unfinishable, errors.New(reasons), now)
		return nil
	}
	if d.keep != nil {
		d.remember(c, v, now)
		return nil
	}
	err := d.carryOut(c, v, now)
	switch {
	case errors.Is(err, errStopped):
		return err
	case err != nil && c.divided:
		d.log.Error().Str("path", c.path).Err(err).Msg("outcome not written, a newer text of the patch waits")
	case err != nil:
		d.block(c.item, Unfinishable, err, now)
	default:
		d.forget(c.item)
	}
	return nil
}

func (d *Dir) carryOut(c *claim, v Verdict, now time.Time) error {
	if v.Outcome == Another {
		return d.setApart(c, info{}, now)
	}
	return d.finish(c, v, now)
}

// finish shows the outcome of a claim. It may be stopped anywhere: the claim
// goes last, and until then the next start comes here again with the same
// verdict.
func (d *Dir) finish(c *claim, v Verdict, now time.Time) error {
	if err := d.divide(c, now); err != nil {
		return err
	}
	if v.Outcome == Failed {
		if err := d.writeReason(c, v.Reasons); err != nil {
			return err
		}
		return d.end(c, failedSuffix, nil)
	}
	if err := d.clearFailure(c); err != nil {
		return err
	}
	redacted := v.Redacted
	if !d.cfg.Redact {
		redacted = nil
	}
	switch {
	case d.afterApply(v) == Remove:
		return d.end(c, "", nil)
	case v.Outcome == Skipped:
		return d.end(c, skippedSuffix, redacted)
	}
	return d.end(c, installedSuffix, redacted)
}

// end gives the companion and then the patch the suffix of their outcome, or
// removes both if it is empty.
func (d *Dir) end(c *claim, suffix string, redacted []byte) error {
	if err := d.endCompanion(c, suffix); err != nil {
		return err
	}
	if suffix == "" {
		return d.removeClaim(c)
	}
	return d.show(c, suffix, redacted)
}

func (d *Dir) afterApply(v Verdict) AfterApply {
	if v.AfterApply != "" {
		return v.AfterApply
	}
	return d.cfg.AfterApply
}

// divide looks for a writer that had the file open before it was claimed, in a
// way that no lease could show, and has written since it was read, or may yet.
// What it writes is a patch of its own. It gets its ID before the outcome of
// the first shows: a stop in between may cost the first its outcome's file,
// while the other order could cost the second its being applied.
//
// A file that is refused unread is moved as it is, with all that is in it.
func (d *Dir) divide(c *claim, now time.Time) error {
	if c.patch.Refusal != "" {
		return nil
	}
	seen, err := d.sightOpen(c.file)
	c.file.unlease()
	if err != nil {
		return fmt.Errorf("looking for a late writer: %w", err)
	}
	if seen.info.same(c.info) && seen.access != writing {
		return nil
	}
	return d.setApart(c, c.info, now)
}

// setApart makes another patch of a claim. The state that is spent, if any,
// has its outcome already.
func (d *Dir) setApart(c *claim, spent info, now time.Time) error {
	next := &item{path: c.path, id: d.ids.next(now), why: BeingWritten, until: now, spent: spent}
	dir, name := c.place()
	_, newName := next.place()
	in, err := d.tree.folder(dir)
	if err == nil && c.accompanied { // whether it fits this text is for the handler to say
		err = in.rename(name+companionSuffix, in, newName+companionSuffix)
	}
	if err == nil {
		err = in.rename(name, in, newName)
	}
	if err == nil {
		err = d.sync(in)
	}
	if err != nil {
		return fmt.Errorf("setting another text apart: %w", err)
	}
	c.divided = true
	delete(d.claims, c.id)
	d.claims[next.id] = next
	return d.step("divided")
}

// writeReason puts the reason in its place whole, and durably, before there is
// a .failed that it explains.
func (d *Dir) writeReason(c *claim, reasons []string) error {
	text := strings.Join(reasons, "\n") + "\n"
	temp, err := d.write(c, "reason", []byte(text), c.info.mode, true)
	if err != nil {
		return fmt.Errorf("writing reason: %w", err)
	}
	if err := d.reveal(c, d.tree.claims, temp, reasonSuffix); err != nil {
		return fmt.Errorf("writing reason: %w", err)
	}
	return d.step("reason written")
}

// clearFailure removes what an earlier patch of the name has left: first the
// failed text, so that none is ever without its reason.
func (d *Dir) clearFailure(c *claim) error {
	home, base := split(c.path)
	in, err := d.tree.make(home, newFolderMode)
	if err == nil {
		err = in.remove(base + failedSuffix)
	}
	if err == nil {
		err = in.remove(base + reasonSuffix)
	}
	if err == nil && c.accompanied {
		err = in.remove(base + companionSuffix + failedSuffix)
	}
	if err != nil {
		return fmt.Errorf("removing an earlier failure: %w", err)
	}
	return d.step("reason removed")
}

// show gives the patch the name of its outcome. The claim itself is renamed
// where it is the daemon's and its text stays; otherwise a new file takes the
// name, so that no other user owns an outcome or has it open.
func (d *Dir) show(c *claim, suffix string, redacted []byte) error {
	if c.patch.Refusal != "" {
		return d.showClaim(c, suffix, c.info.mode)
	}
	if redacted == nil && c.info.uid == uint32(os.Geteuid()) && !c.divided {
		return d.showClaim(c, suffix, c.info.mode&outcomeMode)
	}
	text := redacted
	if text == nil {
		text = c.patch.Data
	}
	temp, err := d.write(c, "text", text, c.info.mode, suffix == failedSuffix)
	if err != nil {
		return fmt.Errorf("writing outcome: %w", err)
	}
	if err := d.step("outcome written"); err != nil {
		return err
	}
	if err := d.reveal(c, d.tree.claims, temp, suffix); err != nil {
		return fmt.Errorf("writing outcome: %w", err)
	}
	if err := d.step("outcome renamed"); err != nil {
		return err
	}
	return d.removeClaim(c)
}

// Modes of what is written into the drop directory: an outcome keeps these
// bits of its patch; a subdirectory that has vanished while a patch of it was
// claimed is made again.
const (
	outcomeMode   = 0o770
	newFolderMode = 0o755
)

func (d *Dir) showClaim(c *claim, suffix string, mode uint32) error {
	if c.info.mode != mode {
		if err := c.file.chmod(mode); err != nil {
			return fmt.Errorf("closing outcome to others: %w", err)
		}
	}
	dir, name := c.place()
	in, err := d.tree.folder(dir)
	if err == nil {
		err = d.reveal(c, in, name, suffix)
	}
	if err != nil {
		return fmt.Errorf("renaming to outcome: %w", err)
	}
	return d.step("outcome renamed")
}

// write makes a temporary file among the claims, closed to others. The next
// start removes it if nobody else does.
func (d *Dir) write(c *claim, kind string, text []byte, mode uint32, durable bool) (name string, err error) {
	name = tempPrefix + c.patch.ID.String() + "." + kind
	f, err := d.tree.claims.create(name)
	if err != nil {
		return "", err
	}
	defer f.close()
	defer func() {
		if err != nil {
			_ = d.tree.claims.remove(name)
		}
	}()
	if err := f.write(text); err != nil {
		return "", err
	}
	if err := f.chmod(mode & outcomeMode); err != nil {
		return "", err
	}
	if durable {
		return name, f.sync()
	}
	return name, nil
}

// reveal moves a file to the outcome's name, over an older one.
func (d *Dir) reveal(c *claim, from *folder, name, suffix string) error {
	home, base := split(c.path)
	to, err := d.tree.make(home, newFolderMode)
	if err != nil {
		return err
	}
	return from.rename(name, to, base+suffix)
}

func (d *Dir) removeClaim(c *claim) error {
	if c.divided {
		return nil
	}
	dir, name := c.place()
	in, err := d.tree.folder(dir)
	if err == nil {
		err = in.remove(name)
	}
	if err != nil {
		return fmt.Errorf("removing claim: %w", err)
	}
	return d.step("claim removed")
}
