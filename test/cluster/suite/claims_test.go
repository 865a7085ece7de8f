package suite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// runTag is the tag of a run's snapshots, as bare kopia lists it.
const runTag = "tag:" + result.RunTag

// taggedBy are the snapshots that have a run's tag. A run that was refused before it was
// planned has no id, and other clients' snapshots have no tag.
func taggedBy(runID string, listed []kopiatest.Listed) []kopiatest.Listed {
	if runID == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(listed), func(s kopiatest.Listed) bool { return s.Tags[runTag] != runID })
}

// isSuccess reports whether an outcome says that the data is in the repository. The
// list is written out here again on purpose: the judge must not take the product's.
func isSuccess(o result.Outcome) bool {
	return slices.Contains([]result.Outcome{result.Succeeded, result.SucceededWithWarnings, result.Unchanged}, o)
}

// untrue says what of a backup's Result the snapshots that bare kopia lists do not
// bear out; empty: nothing. A run that names no snapshot has left none with its tag,
// unless nobody could know, or it says itself that there may be one: PRODUCT 3.1, "4 if
// a partial snapshot exists, else 1".
func untrue(r result.Result, listed []kopiatest.Listed) string {
	own := taggedBy(r.RunID, listed)
	success := isSuccess(r.Outcome)
	switch s := r.Snapshot; {
	case s == nil && (success || r.Outcome == result.Incomplete):
		return fmt.Sprintf("%s without a snapshot", r.Outcome)
	case s == nil && r.Outcome == result.Unknown:
		return ""
	case s == nil:
		return unannounced(r, own)
	case success && !s.Whole():
		return fmt.Sprintf("%s by snapshot %s, which is not whole and proved", r.Outcome, s.ID)
	case r.Outcome == result.Unchanged:
		return misnamed(*s, taggedBy(s.Tags[result.RunTag], listed))
	default:
		return misnamed(*s, own)
	}
}

// misnamed says why a named snapshot is not the one that the repository has of its run.
func misnamed(s result.Snapshot, own []kopiatest.Listed) string {
	if len(own) == 1 && own[0].ID == s.ID && own[0].Incomplete == s.Incomplete {
		return ""
	}
	return fmt.Sprintf("it names snapshot %s (incomplete: %q), and the repository has of this run: %+v", s.ID, s.Incomplete, own)
}

// unannounced says which snapshot a Result that names none does not tell of.
func unannounced(r result.Result, own []kopiatest.Listed) string {
	for _, s := range own {
		partial := s.Incomplete != "" && strings.Contains(r.Message, "the repository may hold a partial one")
		if !partial && !strings.Contains(r.Message, "the repository may hold it") && !strings.Contains(r.Message, s.ID) {
			return fmt.Sprintf("it tells of no snapshot, and the repository has %s (incomplete: %q) with the run's tag", s.ID, s.Incomplete)
		}
	}
	return ""
}

// TestAClaimIsJudgedByTheRepository: a judge that finds nothing wrong is none.
func TestAClaimIsJudgedByTheRepository(t *testing.T) {
	t.Parallel()
	whole := kopiatest.Listed{ID: "whole", Tags: map[string]string{runTag: "run"}}
	cut := kopiatest.Listed{ID: "cut", Tags: map[string]string{runTag: "run"}, Incomplete: "canceled"}
	other := kopiatest.Listed{ID: "whole", Tags: map[string]string{runTag: "other"}}
	proved := &result.Snapshot{ID: "whole", Proved: result.ProveBlobs}
	partial := &result.Snapshot{ID: "cut", Incomplete: "canceled"}
	const mayHold, mayHoldPartial = "kopia failed; the repository may hold it, tagged x", "kopia named no snapshot, and the repository may hold a partial one, tagged x"
	for name, row := range map[string]struct {
		r      result.Result
		listed []kopiatest.Listed
		holds  bool
	}{
		"a success":                                  {result.Result{Outcome: result.Succeeded, Snapshot: proved}, []kopiatest.Listed{whole}, true},
		"a success of nothing":                       {result.Result{Outcome: result.Succeeded}, nil, false},
		"a success that nobody lists":                {result.Result{Outcome: result.Succeeded, Snapshot: proved}, nil, false},
		"a success by another run's snapshot":        {result.Result{Outcome: result.Succeeded, Snapshot: proved}, []kopiatest.Listed{other}, false},
		"a success that was cut short":               {result.Result{Outcome: result.Succeeded, Snapshot: partial}, []kopiatest.Listed{cut}, false},
		"a success without proof":                    {result.Result{Outcome: result.Succeeded, Snapshot: &result.Snapshot{ID: "whole"}}, []kopiatest.Listed{whole}, false},
		"a partial snapshot":                         {result.Result{Outcome: result.Incomplete, Snapshot: partial}, []kopiatest.Listed{cut}, true},
		"a partial snapshot that nobody lists":       {result.Result{Outcome: result.Incomplete, Snapshot: partial}, nil, false},
		"a partial snapshot that is whole":           {result.Result{Outcome: result.Incomplete, Snapshot: &result.Snapshot{ID: "cut"}}, []kopiatest.Listed{cut}, false},
		"incomplete without a snapshot":              {result.Result{Outcome: result.Incomplete}, nil, false},
		"a failure":                                  {result.Result{Outcome: result.Failed}, []kopiatest.Listed{other}, true},
		"a failure that has left a snapshot":         {result.Result{Outcome: result.Failed}, []kopiatest.Listed{cut}, false},
		"a failure that tells of it":                 {result.Result{Outcome: result.Failed, Message: mayHoldPartial}, []kopiatest.Listed{cut}, true},
		"a failure that tells of less":               {result.Result{Outcome: result.Failed, Message: mayHoldPartial}, []kopiatest.Listed{whole}, false},
		"a failure that may have saved all":          {result.Result{Outcome: result.Failed, Message: mayHold}, []kopiatest.Listed{whole}, true},
		"a proof that failed":                        {result.Result{Outcome: result.Failed, Message: "prove snapshot whole: a blob is missing"}, []kopiatest.Listed{whole}, true},
		"a cancel that saved what it had":            {result.Result{Outcome: result.Cancelled, Snapshot: partial}, []kopiatest.Listed{cut}, true},
		"a cancel that hides what it saved":          {result.Result{Outcome: result.Cancelled}, []kopiatest.Listed{cut}, false},
		"nobody knows":                               {result.Result{Outcome: result.Unknown}, []kopiatest.Listed{cut}, true},
		"nobody knows of a snapshot that is not":     {result.Result{Outcome: result.Unknown, Snapshot: partial}, nil, false},
		"unchanged since another run":                {result.Result{Outcome: result.Unchanged, Snapshot: &result.Snapshot{ID: "whole", Proved: result.ProveBlobs, Tags: map[string]string{result.RunTag: "other"}}}, []kopiatest.Listed{other}, true},
		"unchanged since a snapshot that is nowhere": {result.Result{Outcome: result.Unchanged, Snapshot: proved}, nil, false},
	} {
		row.r.RunID = "run"
		if why := untrue(row.r, row.listed); (why == "") != row.holds {
			t.Errorf("%s: %q", name, why)
		}
	}
	if why := untrue(result.Result{Outcome: result.Refused}, []kopiatest.Listed{{ID: "another client's"}}); why != "" {
		t.Errorf("a run without an id: %s", why)
	}
}

// historyLength is how many runs a history keeps, as documented; on purpose not the
// product's own constant.
const historyLength = 20

// history is what is remembered of the source's runs, oldest first. Of a run that
// nobody has seen end it is what was noted when it started.
func (n *space) history() []result.Result {
	n.t.Helper()
	name, _ := n.kept("app")
	m, err := shared.typed.CoreV1().ConfigMaps(n.name).Get(n.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	n.must(err)
	var h struct{ Results []result.Result }
	if text := m.Data["history.json"]; text != "" {
		n.must(json.Unmarshal([]byte(text), &h))
	}
	for key, text := range m.Data {
		if strings.HasPrefix(key, "started.") {
			var r result.Result
			n.must(json.Unmarshal([]byte(text), &r))
			h.Results = append(h.Results, r)
		}
	}
	return h.Results
}

// remembersTruly fails the test when history and repository contradict each other: a
// run that claims what is not there, or a snapshot of a run that nobody has heard of.
// Later runs' retention removes a partial snapshot at once, and a whole one in time.
func (n *space) remembersTruly(unknown bool) {
	n.t.Helper()
	told, listed := n.history(), n.client().Snapshots(n.t)
	later := 0
	for _, r := range slices.Backward(told) {
		if r.Outcome == result.Unknown && !unknown {
			n.t.Errorf("how run %s ended could be known: %s", r.RunID, r.Message)
		}
		expires := later > 0 && r.Snapshot != nil && r.Snapshot.Incomplete != "" || later >= 9
		if why := untrue(r, listed); why != "" && !expires {
			n.t.Errorf("the history says of run %s: %s\n%s: %s", r.RunID, why, r.Outcome, r.Message)
		}
		if r.Snapshot != nil {
			later++
		}
	}
	if len(told) >= historyLength {
		return // it no longer has the oldest
	}
	for _, s := range listed {
		id := s.Tags[runTag]
		if id != "" && !slices.ContainsFunc(told, func(r result.Result) bool { return r.RunID == id }) {
			n.t.Errorf("the repository has snapshot %s of run %s, of which the history knows nothing", s.ID, id)
		}
	}
}

// lastTold is the last run that status tells of the source; nil: none.
func (n *space) lastTold() *result.Result {
	n.t.Helper()
	var list struct {
		Items []struct{ Last *result.Result }
	}
	call(n.t, "status", "app", "-n", n.name, "-o", "json").decode(n.t, 0, &list)
	if len(list.Items) != 1 {
		n.t.Fatalf("status knows %d sources of the name app, want 1", len(list.Items))
	}
	return list.Items[0].Last
}
