package daemon

import "testing"

// Who asks for readiness does not wait for a directory that is on its way out.
func TestEndingHoldsNobodyUp(t *testing.T) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	d := &drops{running: []*running{{stop: func() { close(stopped) }, ended: ended}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.end(nil)
	}()
	<-stopped
	if !d.mu.TryLock() {
		t.Error("directories cannot be listed while one ends")
	} else {
		d.mu.Unlock()
	}
	close(ended)
	<-done
	if left := d.dirs(); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}
