package mover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// prove lets a fresh process find the snapshot in the storage, with no cache
// that could stand in for what is gone.
func (d *driver) prove(ctx context.Context, s *result.Snapshot) (err error) {
	d.begin("proof")
	defer func() {
		if err != nil { // which is not what an earlier phase has failed of
			d.phaseFailed()
		}
	}()
	proof := d.task.Backup.Prove
	if proof == "" {
		proof = result.ProveBlobs
	}
	if err := d.cache.PrepareProof(proof); err != nil {
		return failed("Cache", fault.New(fault.Failed, "%w", err))
	}
	check := d.proveByVerify
	if proof == result.ProveManifest {
		check = d.proveByList
	}
	if err := check(ctx, s.ID, proof); err != nil {
		return err
	}
	if err := d.checkNotReplaced(); err != nil {
		return err
	}
	s.Proved = proof
	d.log.sayf("Proved snapshot %s (%s).", s.ID, proof)
	return nil
}

func (d *driver) proveByVerify(ctx context.Context, id string, proof result.Proof) error {
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.SnapshotVerify(d.paths, id, proof)})
	if err != nil {
		return failed("Kopia", err)
	}
	doing := "prove snapshot " + id
	objects, problems, err := kopiaexec.Verified(out.Stdout)
	switch {
	case !out.OK():
		return diagnosed(doing, out)
	case err != nil:
		return failed("ProofUnreadable", fault.New(fault.Failed, "%s: %w", doing, err))
	case len(problems) > 0:
		return failed(string(kopiaexec.ReasonBlobMissing), fault.New(fault.Failed, "%s: %s", doing, strings.Join(problems, "; ")))
	case objects == 0:
		return failed("ProofEmpty", fault.New(fault.Failed, "%s: kopia verified nothing", doing))
	}
	return nil
}

func (d *driver) proveByList(ctx context.Context, id string, _ result.Proof) error {
	list, err := d.listed(ctx, d.res.Identity.String())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(s result.Snapshot) bool { return s.ID == id }) {
		return failed(string(kopiaexec.ReasonSnapshotMissing), fault.New(fault.Failed, "prove snapshot %s: the repository does not list it", id))
	}
	return nil
}

// listed lists snapshots: of one source, or all when source is empty.
func (d *driver) listed(ctx context.Context, source string) ([]result.Snapshot, error) {
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.SnapshotList(d.paths, source)})
	if err != nil {
		return nil, failed("Kopia", err)
	}
	if !out.OK() {
		return nil, diagnosed("list the snapshots", out)
	}
	return snapshotsOf(out.Stdout, source)
}

// proveNewest handles a source without changes: the newest complete snapshot
// stands for it, is proved like a new one, and lacks what a new one would lack:
// kopia takes one with missed files for identical too, and then reports none.
func (d *driver) proveNewest(ctx context.Context) error {
	list, err := d.listed(ctx, d.res.Identity.String())
	if err != nil {
		return err
	}
	newest := newestFirst(completeOnly(list))
	if len(newest) == 0 {
		return failed("NoSnapshot", fault.New(fault.Failed, "kopia found nothing new, but the repository holds no complete snapshot of %s", d.res.Identity))
	}
	s := newest[0]
	if err := d.prove(ctx, &s); err != nil {
		return err
	}
	d.boundErrors(&s)
	d.res.Snapshot = &s
	text := fmt.Sprintf("nothing has changed since snapshot %s of %s, which is proved", s.ID, s.StartTime.UTC().Format(time.RFC3339))
	switch {
	case s.Failed > 0:
		return final(incompleteError(&s))
	case s.Ignored > 0:
		return final(d.ignored(&s, text))
	}
	d.res.Outcome, d.res.Message = result.Unchanged, text
	return nil
}

func completeOnly(list []result.Snapshot) []result.Snapshot {
	return slices.DeleteFunc(slices.Clone(list), func(s result.Snapshot) bool { return s.Incomplete != "" })
}

// newestFirst sorts by start time; snapshots that started together by id.
func newestFirst(list []result.Snapshot) []result.Snapshot {
	slices.SortFunc(list, func(a, b result.Snapshot) int {
		if c := b.StartTime.Compare(a.StartTime); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return list
}
