package mover

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// verdict is what follows from one run of kopia snapshot create.
type verdict string

// The verdicts. Only after proof may a snapshot count: all but notSaved and
// cancelled ask for it.
const (
	// complete: everything was read; to be proved.
	complete verdict = "complete"
	// incomplete: saved, but files were missed or it was cut short; to be proved.
	incomplete verdict = "incomplete"
	// doubtful: kopia printed an id and failed for another reason than missed
	// files. At a failed flush the id names nothing; only the proof can tell.
	doubtful verdict = "doubtful"
	// unchanged: kopia found nothing new and saved nothing; the newest
	// snapshot is to be proved.
	unchanged verdict = "unchanged"
	// notSaved: there is no snapshot.
	notSaved verdict = "notSaved"
	// cancelled: we ended it. What it says of a snapshot is passed on, unproved.
	cancelled verdict = "cancelled"
)

// attempt is what one run of kopia snapshot create left behind.
type attempt struct {
	out kopiaexec.Output
	// snapshot is what its standard output says; nil: nothing.
	snapshot *result.Snapshot
	// stopped is true when we told kopia to end.
	stopped bool
}

// attemptOf reads what a run of kopia left, whatever ended it: err is the
// Runner's, and what kopia has printed by then counts all the same.
func attemptOf(out kopiaexec.Output, err error, stopped bool) (attempt, error) {
	a := attempt{out: out, stopped: stopped}
	var unreadable error
	a.snapshot, unreadable = kopiaexec.DecodeSnapshot(out.Stdout)
	switch {
	case stopped || a.snapshot != nil:
		return a, nil
	case err != nil:
		return a, failed("Kopia", err)
	case unreadable != nil && out.OK(): // of a kopia that failed, what it says of that is worth more
		return a, failed("UnreadableResult", fault.New(fault.Failed, "%w", unreadable))
	}
	return a, nil
}

// nothingSaved reports whether kopia can have saved nothing: it was not started,
// or SIGTERM ended it, which it does not once it can write.
func (a attempt) nothingSaved() bool {
	return a.snapshot == nil && a.out.ExitCode < 0 && (a.out.Signal == 0 || a.out.Signal == syscall.SIGTERM)
}

// identicalMark is in kopia's log when a policy lets it skip an identical snapshot.
const identicalMark = "Not saving snapshot because no files have been changed"

// judge is the truth table. The exit code alone says nothing: it is 0 for a
// snapshot that was cut short, and 1 for one that was saved with a file missing.
//
//	stopped by us   stdout     exit  anything else           verdict
//	yes             any        any                           cancelled
//	no              empty      0     identicalMark in log    unchanged
//	no              empty      any                           notSaved
//	no              manifest   any   incomplete, or failed   incomplete
//	no              manifest   0                             complete
//	no              manifest   else                          doubtful
func judge(a attempt) verdict {
	switch {
	case a.stopped:
		return cancelled
	case a.snapshot == nil && a.out.OK() && contains(a.out.Log, identicalMark):
		return unchanged
	case a.snapshot == nil:
		return notSaved
	case a.snapshot.Incomplete != "" || a.snapshot.Failed > 0:
		return incomplete
	case a.out.OK():
		return complete
	default:
		return doubtful
	}
}

func contains(lines []string, text string) bool {
	for _, line := range lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// notSavedError describes a run that named no snapshot. Kopia prints one only
// after it has saved it, applied the retention and marked the source: when one of
// these fails, the snapshot is there all the same.
func (d *driver) notSavedError(out kopiaexec.Output) error {
	if out.OK() {
		return failed("NoSnapshot", fault.New(fault.Failed, "kopia ended without an error and without a snapshot"))
	}
	err := diagnosed("make the snapshot", out)
	if !contains(out.Log, snapshotBegun) || contains(out.Log, uploadFailed) {
		return err
	}
	more := fault.New(fault.KindOf(err), "%w; the repository may hold it, tagged %s:%s", err, result.RunTag, d.task.RunID)
	if why := (*fault.Error)(nil); errors.As(err, &why) {
		more = more.WithWhy(why.Why).WithHint(why.Hint)
	}
	return failed(reasonOf(err), more)
}

// snapshotBegun is in kopia's log when it has begun to read the source, and
// uploadFailed when it did not come to its end.
const (
	snapshotBegun = "Snapshotting "
	uploadFailed  = "upload error: "
)

// incompleteError describes a snapshot that exists and lacks something.
func incompleteError(s *result.Snapshot) error {
	var why []string
	if s.Failed > 0 {
		why = append(why, fmt.Sprintf("%s could not be read%s", missed(s.Failed), firstErrors(s)))
	}
	if s.Incomplete != "" {
		why = append(why, fmt.Sprintf("it was cut short (kopia's word: %q)", s.Incomplete))
	}
	err := fault.New(fault.Incomplete, "snapshot %s exists, but %s", s.ID, strings.Join(why, "; "))
	reason := "CutShort"
	if s.Failed > 0 {
		reason = "FilesUnreadable"
		err = err.WithHint(ownerHint + ", or ignore the files by policy")
	}
	return failed(reason, err)
}

// mostErrors is how many unreadable files are named.
const mostErrors = 10

// firstErrors names the first files that could not be read. A name may hold anything but
// a slash: one with a line break must not make two lines of the message.
func firstErrors(s *result.Snapshot) string {
	if len(s.Errors) == 0 {
		return ""
	}
	var lines []string
	for _, e := range s.Errors {
		lines = append(lines, printable.Line(e.Path+": "+e.Error))
	}
	if s.OmittedErrors > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", s.OmittedErrors))
	}
	return ": " + strings.Join(lines, ", ")
}
