package mover

import (
	"fmt"
	"os"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// cacheWarningPercent is the fill from which a cache gives a warning.
const cacheWarningPercent = 80

// publish writes the Result to both places: the termination file, bounded,
// and the last event line. Either suffices.
func (d *driver) publish() {
	d.measure()
	d.releaseCache()
	d.res.EndTime = d.options.Clock().UTC()
	d.log.sayf("%s: %s", d.res.Outcome, d.res.Message)
	if d.res.Hint != "" {
		d.log.sayf("  fix: %s", d.res.Hint)
	}
	if err := d.writeTermination(); err != nil {
		d.log.sayf("ERROR: %v", err)
	}
	d.log.event(result.Event{Type: result.EventResult, Result: &d.res})
}

// measure adds what is known only at the end.
func (d *driver) measure() {
	if d.runner != nil {
		d.res.KopiaProcesses = d.runner.Processes()
	}
	if d.config.CacheDir == "" {
		return
	}
	use := result.CacheUse{UsedBytes: d.cache.Use(), CapacityBytes: d.task.Repository.CacheCapacityBytes}
	d.res.Cache = &use
	if use.CapacityBytes > 0 && use.UsedBytes*100 >= use.CapacityBytes*cacheWarningPercent {
		d.warn("VK424", fmt.Sprintf("the cache holds %s of %s", size(use.UsedBytes), size(use.CapacityBytes)))
		d.raise()
	}
}

// boundErrors keeps the first of the files that a snapshot lacks. Their texts are
// kopia's.
func (d *driver) boundErrors(s *result.Snapshot) {
	s.Errors = s.Errors[:min(len(s.Errors), mostErrors)]
	for i, e := range s.Errors {
		s.Errors[i] = result.FileError{Path: d.log.redact(e.Path), Error: d.log.redact(e.Error)}
	}
	s.OmittedErrors = max(0, int(s.Missed())-len(s.Errors))
}

func (d *driver) writeTermination() error {
	if d.options.TerminationLog == "" {
		return nil
	}
	data, err := result.MarshalBounded(d.res, result.TerminationMessageBytes)
	if err != nil {
		return err
	}
	// The kubelet has made the file; elsewhere it is made here.
	if err := os.WriteFile(d.options.TerminationLog, data, 0o600); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
