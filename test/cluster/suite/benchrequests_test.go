package suite

import (
	"maps"
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
	all, err := commandRequests(auditLog(shared.dir), since)
	n.must(err)
	found := requests{}
	for _, a := range all {
		if a.User.Username == n.user(runner) {
			found[a.asked()]++
		}
	}
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
	odd := measured{requests: requests{"create jobs": 1, renewal: 2, "get leases": 1}}
	if diff := cmp.Diff(steady([]measured{few}), steady([]measured{few, odd, few})); diff != "" {
		t.Errorf("a request of one run shows (-few +many):\n%s", diff)
	}
	if cmp.Diff(steady([]measured{few}), steady([]measured{more})) == "" {
		t.Error("another request does not show")
	}
	if got := []string{verdictOf("9s", true), verdictOf("9s", false), verdictOf("", false)}; !cmp.Equal(got, []string{"goal 9s, met", "goal 9s, MISSED", "no goal"}) {
		t.Errorf("%q", got)
	}
}
