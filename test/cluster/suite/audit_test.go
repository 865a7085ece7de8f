package suite

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// audited is a request as the API server's audit log has it.
type audited struct {
	AuditID                  string    `json:"auditID"`
	UserAgent                string    `json:"userAgent"`
	RequestURI               string    `json:"requestURI"`
	Verb                     string    `json:"verb"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	User                     struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
	} `json:"objectRef"`
}

// methods are the HTTP methods of the verbs that change something.
func methods() map[string]string {
	return map[string]string{"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
}

// name is the request as a proxy names it, as "PATCH replicationsources/status".
func (a audited) name() string {
	name := methods()[a.Verb] + " " + a.ObjectRef.Resource
	if a.ObjectRef.Subresource != "" {
		name += "/" + a.ObjectRef.Subresource
	}
	return name
}

// changes are the mutating requests of the namespace's runner since then, in the
// order in which the API server received them.
func (n *space) changes(since time.Time) []string {
	n.t.Helper()
	log, err := os.Open(filepath.Join(shared.dir, "audit.jsonl"))
	n.must(err)
	defer log.Close()
	var found []audited
	seen := map[string]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a audited
		n.must(json.Unmarshal(lines.Bytes(), &a))
		mine := strings.HasPrefix(a.UserAgent, "kubectl-volsync-kopia/") && a.User.Username == n.user(runner) && a.ObjectRef.Namespace == n.name
		if mine && methods()[a.Verb] != "" && !a.RequestReceivedTimestamp.Before(since) && !seen[a.AuditID] {
			seen[a.AuditID] = true
			found = append(found, a)
		}
	}
	n.must(lines.Err())
	slices.SortStableFunc(found, func(a, b audited) int { return a.RequestReceivedTimestamp.Compare(b.RequestReceivedTimestamp) })
	names := make([]string, len(found))
	for i, a := range found {
		names[i] = a.name()
	}
	return names
}
