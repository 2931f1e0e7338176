//go:build unix

package patches

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPutOff(t *testing.T) {
	td := newDropDir(t)
	td.Drop("a.yaml", "defer")
	td.Drop("b.yaml", "b")
	if next := td.Pass(); next != putOffMin {
		t.Errorf("comes back after %v, want %v", next, putOffMin)
	}
	td.Applied("b")
	td.Waits("a.yaml", PutOff)
	td.HasStarted(true)
	if next := td.After(putOffMin).Pass(); next != 2*putOffMin {
		t.Errorf("comes back after %v, want %v", next, 2*putOffMin)
	}
	for range 20 {
		td.After(td.Pass())
	}
	if next := td.Pass(); next > putOffMax {
		t.Errorf("comes back after %v, want at most %v", next, putOffMax)
	}
}

// What is decided, and only its outcome cannot show yet, holds nobody back.
func TestUnfinished(t *testing.T) {
	td := newDropDir(t)
	td.Drop("a.yaml", "undelivered")
	td.Pass()
	td.Waits("a.yaml", Unfinishable)
	td.Drop("b.yaml", "b")
	td.Pass()
	td.Applied("b")
	td.Waits("a.yaml", Unfinishable)
	td.HasStarted(true)
}

// While the store takes nothing, what has not been claimed stays untouched.
func TestAWholeGroupPutOff(t *testing.T) {
	td := newDropDir(t)
	td.ledger.full = true
	td.Drop("a.yaml", "a")
	td.Pass()
	td.Drop("b.yaml", "b")
	td.Pass()
	td.Outcome("b.yaml", "")
	td.Waits("b.yaml", PutOff)
	if len(td.ledger.handed) != 1 {
		t.Errorf("handed over %d times before its time, want once", len(td.ledger.handed))
	}
	td.ledger.full = false
	td.After(putOffMin).Pass()
	td.Applied("a", "b")
	td.NoClaims()
}

// Nothing is touched while the handler knows that it could not decide.
func TestHandlerIsNotReady(t *testing.T) {
	td := newDropDir(t)
	td.ledger.unready = errors.New("the disk is full")
	td.Drop("a.yaml", "a")
	if next := td.Pass(); next != readyWait {
		t.Errorf("comes back after %v, want %v", next, readyWait)
	}
	td.Waits("a.yaml", PutOff)
	td.Outcome("a.yaml", "")
	td.NoClaims()
	td.HasStarted(true)
	if s := td.dir.Status(); s.Waiting[0].Claimed || s.Waiting[0].Detail != "the disk is full" {
		t.Errorf("status says %+v", s.Waiting)
	}
	td.ledger.unready = nil
	td.After(readyWait).Pass()
	td.Applied("a")
}

// Nor does a later group overtake one patch of which is put off.
func TestPartOfAGroupPutOff(t *testing.T) {
	td := newDropDir(t)
	td.DropHalfAGroup("a.yaml")
	td.DropHalfAGroup("b.yaml")
	td.Drop("c.yaml", "c")
	td.Drop("d.yaml", "d")
	td.ledger.busy = "a.yaml"
	for _, wait := range []time.Duration{0, putOffMin - 1} {
		if next := td.After(wait).Pass(); next != putOffMin-wait {
			t.Errorf("comes back after %v, want %v", next, putOffMin-wait)
		}
		td.Decided("b.yaml")
		td.Outcome("c.yaml", "")
	}
	td.ledger.busy = ""
	td.After(1).Pass()
	td.Decided("b.yaml", "a.yaml", "c.yaml", "d.yaml")
	td.NoClaims()
}

// A file whose claim cannot be made is tried again by time: nobody is notified
// of what is in the way.
func TestUnclaimableIsTriedAgain(t *testing.T) {
	td := newDropDir(t)
	td.Pass()
	inTheWay := filepath.Join(td.path, claimDir, "sub")
	must(t, os.WriteFile(inTheWay, nil, 0o600))
	td.Drop("sub/x.yaml", "a")
	for _, want := range []time.Duration{putOffMin, 2 * putOffMin} {
		next := td.Pass()
		if next != want {
			t.Errorf("comes back after %v, want %v", next, want)
		}
		td.Waits("sub/x.yaml", Unclaimable)
		td.After(next)
	}
	must(t, os.Remove(inTheWay))
	if _, err := td.dir.pass(t.Context(), td.clock); err != nil { // no scan
		t.Fatal(err)
	}
	td.Applied("a")
	td.Logged("patch waits", 1)
	td.NoClaims()
}

// Nor is a claim that was put off before left until the next scan.
func TestHandlerIsNotReadyForAClaim(t *testing.T) {
	td := newDropDir(t)
	td.ledger.full = true
	td.Drop("a.yaml", "a")
	td.Pass()
	td.ledger.full, td.ledger.unready = false, errors.New("the disk is full")
	if next := td.After(putOffMin).Pass(); next != readyWait {
		t.Errorf("comes back after %v, want %v", next, readyWait)
	}
	td.ledger.unready = nil
	td.After(readyWait).Pass()
	td.Applied("a")
}
