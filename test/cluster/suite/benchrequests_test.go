package suite

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// requests are how often a command has asked the API server what, by verb and
// resource.
type requests map[string]int

// renewal is how a Lease is renewed, and, once a run, given to its Job.
const renewal = "update leases"

func (r requests) total() int {
	sum := 0
	for _, times := range r {
		sum += times
	}
	return sum
}

// withoutRenewals leaves of the Lease's updates the one that every run has.
func (r requests) withoutRenewals() requests {
	rest := maps.Clone(r)
	if rest[renewal] > 1 {
		rest[renewal] = 1
	}
	return rest
}

// requests are what the namespace's runner has sent since then, by the audit log.
func (n *space) requests(since time.Time) requests {
	n.t.Helper()
	log, err := os.Open(filepath.Join(shared.dir, "audit.jsonl"))
	n.must(err)
	defer log.Close()
	found, seen := requests{}, map[string]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a audited
		n.must(json.Unmarshal(lines.Bytes(), &a))
		mine := strings.HasPrefix(a.UserAgent, "kubectl-volsync-kopia/") && a.User.Username == n.user(runner)
		if mine && !a.RequestReceivedTimestamp.Before(since) && !seen[a.AuditID] {
			seen[a.AuditID] = true
			found[a.asked()]++
		}
	}
	n.must(lines.Err())
	if found.total() == 0 {
		n.t.Fatal("the audit log has no request of the command")
	}
	return found
}

// asked is the request's verb and resource, or its path.
func (a audited) asked() string {
	path, _, _ := strings.Cut(a.RequestURI, "?")
	switch {
	case a.ObjectRef.Resource == "":
		return a.Verb + " " + path
	case a.ObjectRef.Subresource != "":
		return a.Verb + " " + a.ObjectRef.Resource + "/" + a.ObjectRef.Subresource
	}
	return a.Verb + " " + a.ObjectRef.Resource
}

// TestWhatTheBenchmarkJudges: a request that only many files take shows, a renewal
// does not; a goal is said to be met or missed.
func TestWhatTheBenchmarkJudges(t *testing.T) {
	t.Parallel()
	few := measured{requests: requests{"create jobs": 1, renewal: 1}}
	slow := measured{requests: requests{"create jobs": 1, renewal: 3}}
	more := measured{requests: requests{"create jobs": 1, renewal: 3, "get pods": 1}}
	if diff := cmp.Diff(steady([]measured{few}), steady([]measured{slow})); diff != "" {
		t.Errorf("renewals show (-few +many):\n%s", diff)
	}
	if cmp.Diff(steady([]measured{few}), steady([]measured{more})) == "" {
		t.Error("another request does not show")
	}
	if got := []string{verdictOf("9s", true), verdictOf("9s", false), verdictOf("", false)}; !cmp.Equal(got, []string{"goal 9s, met", "goal 9s, MISSED", "no goal"}) {
		t.Errorf("%q", got)
	}
}
