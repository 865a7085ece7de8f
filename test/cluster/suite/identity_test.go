package suite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// onlyAccounts fails when the command has sent a request with other rights than a
// ServiceAccount's: what every account has is the printed Role, unless its test says
// otherwise. It names each such request and how often it was sent.
func onlyAccounts(log string, since time.Time) error {
	requests, err := commandRequests(log, since)
	if err != nil {
		return err
	}
	count := map[string]int{}
	var order []string
	for i := range requests {
		if requests[i].isAccounts() {
			continue
		}
		name := fmt.Sprintf("%s %s as %q", requests[i].Verb, requests[i].RequestURI, requests[i].User.Username)
		if count[name]++; count[name] == 1 {
			order = append(order, name)
		}
	}
	var wrong []error
	for _, name := range order {
		wrong = append(wrong, fmt.Errorf("%d times: %s", count[name], name))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the command was run with other rights than a ServiceAccount's:\n%w", errors.Join(wrong...))
	}
	return nil
}

// isAccounts reports whether a request was judged by the rights of a ServiceAccount.
func (a *audited) isAccounts() bool {
	isAccount := func(i identity) bool { return strings.HasPrefix(i.Username, "system:serviceaccount:") }
	switch {
	case isAccount(a.User):
		return true
	case a.User.Username == "" && a.ResponseStatus.Code == http.StatusUnauthorized:
		return true // the token's account is gone: nobody was known, and nothing done
	case isAccount(a.ImpersonatedUser):
		// docs/how-to/ci.md shows to administrators how to ask for an account: doctor --as.
		// It is the one use of an administrator's kubeconfig, and changes nothing.
		return slices.Contains([]string{"get", "list", "watch"}, a.Verb) || strings.HasPrefix(a.ObjectRef.Resource, "selfsubject")
	}
	return false
}

// TestRequestsOfNoAccountAreFound in what an API server would write.
func TestRequestsOfNoAccountAreFound(t *testing.T) {
	t.Parallel()
	const line = `{"auditID":"%s","userAgent":"%s","requestURI":"/api","verb":"%s","requestReceivedTimestamp":"2026-11-22T21:05:13.000000Z",` +
		`"user":{"username":"%s"},"impersonatedUser":{"username":"%s"},"responseStatus":{"code":%d},"objectRef":{"resource":"%s"}}` + "\n"
	const own, account, admin = "kubectl-volsync-kopia/v1.0.0", "system:serviceaccount:prod:runner", "kubernetes-admin"
	at := time.Date(2026, 11, 22, 21, 5, 13, 0, time.UTC)
	for name, c := range map[string]struct {
		line  string
		since time.Time
		want  string
	}{
		"an account's":                       {fmt.Sprintf(line, "1", own, "create", account, "", 201, "jobs"), at, ""},
		"an administrator's":                 {fmt.Sprintf(line, "1", own, "get", admin, "", 200, "pods"), at, "1 times: get /api as \"kubernetes-admin\""},
		"one that is logged twice":           {strings.Repeat(fmt.Sprintf(line, "1", own, "watch", admin, "", 200, "pods"), 2), at, "1 times: watch"},
		"two":                                {fmt.Sprintf(line, "1", own, "get", admin, "", 200, "pods") + fmt.Sprintf(line, "2", own, "get", admin, "", 200, "pods"), at, "2 times: get"},
		"before the tests":                   {fmt.Sprintf(line, "1", own, "get", admin, "", 200, "pods"), at.Add(time.Second), ""},
		"another program's":                  {fmt.Sprintf(line, "1", "suite.test/v0", "get", admin, "", 200, "pods"), at, ""},
		"nobody's, refused":                  {fmt.Sprintf(line, "1", own, "get", "", "", 401, "pods"), at, ""},
		"nobody's, allowed":                  {fmt.Sprintf(line, "1", own, "get", "system:anonymous", "", 200, "pods"), at, "anonymous"},
		"a question for an account":          {fmt.Sprintf(line, "1", own, "create", admin, account, 201, "selfsubjectrulesreviews"), at, ""},
		"a look for an account":              {fmt.Sprintf(line, "1", own, "list", admin, account, 200, "pods"), at, ""},
		"a change for an account":            {fmt.Sprintf(line, "1", own, "create", admin, account, 201, "jobs"), at, "1 times: create"},
		"a look for another than an account": {fmt.Sprintf(line, "1", own, "list", admin, "jane", 200, "pods"), at, "1 times: list"},
	} {
		log := filepath.Join(t.TempDir(), "audit.jsonl")
		if err := os.WriteFile(log, []byte(c.line), 0o600); err != nil {
			t.Fatal(err)
		}
		switch err := onlyAccounts(log, c.since); {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := onlyAccounts(filepath.Join(t.TempDir(), "none"), at); err == nil {
		t.Error("without an audit log all is said to be well")
	}
}

// TestTheAuditLogNamesWhoRanTheCommand: what is searched for is what is written.
func TestTheAuditLogNamesWhoRanTheCommand(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Direct"})
	began := time.Now()
	if end := call(t, "status", "-n", n.name); end.code != 0 {
		t.Fatalf("status ended with %d\n%s", end.code, end.stderr)
	}
	n.untilAudited(runner, began)
	if users := n.usersSince(began); cmp.Diff([]string{n.user(runner)}, users) != "" {
		t.Errorf("the namespace was asked by %v", users)
	}
}

// untilAudited waits until the audit log has requests of an account of the namespace
// since then.
func (n *space) untilAudited(account string, since time.Time) {
	n.t.Helper()
	n.until("the audit log has requests of "+n.user(account), func(context.Context) bool {
		return slices.Contains(n.usersSince(since), n.user(account))
	})
}

// usersSince are those with whose rights the command has used the namespace since
// then.
func (n *space) usersSince(since time.Time) []string {
	n.t.Helper()
	requests, err := commandRequests(auditLog(shared.dir), since)
	n.must(err)
	var users []string
	for i := range requests {
		if requests[i].ObjectRef.Namespace == n.name {
			users = append(users, requests[i].User.Username)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}
