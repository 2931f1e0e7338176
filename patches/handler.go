package patches

import (
	"context"
	"time"
)

// ID names one claimed patch for good. Its first six bytes are the time of
// the claim in Unix milliseconds, big-endian, the rest is random.
type ID [16]byte

// Patch is a file, whole: claimed, or where it lies if the directory keeps its
// files.
type Patch struct {
	ID   ID
	Dir  string // the drop directory's name
	Path string // where it lay, relative to the directory, with slashes
	Data []byte
	// Companion is what the file holds that lay beside it under its name with
	// .sig behind it; nil if there was none, empty if that was over 64 KiB.
	Companion []byte
	// Refusal is why the file cannot be a manifest whatever is in it, as when
	// it is over the size limit; Data is empty then.
	Refusal string
	// Recovered: the claim was found, not made, by this pass. The handler
	// may have decided on it before.
	Recovered bool
	// Kept: the file stays where it is, unchanged and not claimed. It is handed
	// over when it is new, changed or back, and again at start, at every resync
	// and by Reevaluate, each time under an ID of its own: what was done with
	// it already is for the handler to know.
	Kept    bool
	ModTime time.Time
	Owner   string // user name or number of the file's owner
}

// Outcome is what became of a patch.
type Outcome int

// The outcomes. Three are none. Deferred: the patch stays claimed, is no failure,
// and is handed over again later, before any that came after it. Another: the
// handler has decided on other bytes under this ID, before a crash; these are a
// patch of their own, and are handed over again under an ID of their own.
// Unfinished: the handler has decided, but something it has to do before the
// outcome shows cannot be done yet; the patch is handed over again later, and
// holds nobody back.
const (
	Deferred Outcome = iota
	Another
	Unfinished
	Installed
	Failed
	Skipped
)

// AfterApply is what becomes of a file that was applied.
type AfterApply string

// The choices, by their names in configuration and manifests.
const (
	Rename AfterApply = "rename"
	Remove AfterApply = "remove"
	Keep   AfterApply = "keep" // not as a verdict
)

// Verdict is the handler's decision on one patch.
type Verdict struct {
	Outcome Outcome
	// Reasons are the lines of the .failed.reason file.
	Reasons []string
	// AfterApply overrides the directory's setting where it is not empty. It
	// is without effect in keep mode.
	AfterApply AfterApply
	// Redacted is the text without secrets for the outcome's file; nil where
	// the text has none.
	Redacted []byte
}

// Handler decides on patches and makes what they say durable before it
// returns.
type Handler interface {
	// Ready tells why nothing can be decided at the moment, nil if it can. It is
	// asked before each group: while there is a reason, no file is touched.
	Ready() error

	// Handle decides on patches that wait together, in this order. It returns
	// one verdict for each. An error means that it is not known what was
	// done: nothing may be renamed, and the process has to end.
	Handle(ctx context.Context, group []Patch) ([]Verdict, error)

	// Swept is called in keep mode after every pass that has read all of a
	// directory's listing, when the verdicts of the pass are known. It is not
	// called for a directory that cannot be opened or listed whole. An error
	// means what one of Handle does.
	Swept(ctx context.Context, s Sweep) error
}

// Sweep is what a directory in keep mode held at one moment.
type Sweep struct {
	Dir     string   // the drop directory's name
	Present []string // the paths of all patches in it, in byte order
	// Whole: the listing is complete and not empty, and the last verdict on
	// every patch in it, as it is now, is Installed or Skipped.
	Whole bool
}
