package suite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
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
	User                     identity  `json:"user"`
	// ImpersonatedUser is whom the user acts for, if anybody.
	ImpersonatedUser identity `json:"impersonatedUser"`
	ResponseStatus   struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
	} `json:"objectRef"`
}

// identity is a user as the API server knows it.
type identity struct {
	Username string `json:"username"`
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

// agent is how the command's user agent begins.
const agent = "kubectl-volsync-kopia/"

// auditLog is the API server's, in the cluster's folder.
func auditLog(dir string) string { return filepath.Join(dir, "audit.jsonl") }

// commandRequests are the requests in an audit log that the command has sent since
// then, each once: a watch is in it twice.
func commandRequests(path string, since time.Time) ([]audited, error) {
	log, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var found []audited
	seen := map[string]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(agent)) {
			continue // decoding all takes seconds
		}
		var a audited
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if strings.HasPrefix(a.UserAgent, agent) && !a.RequestReceivedTimestamp.Before(since) && !seen[a.AuditID] {
			seen[a.AuditID] = true
			found = append(found, a)
		}
	}
	return found, lines.Err()
}

// changes are the mutating requests of the namespace's runner since then, in the
// order in which the API server received them.
func (n *space) changes(since time.Time) []string {
	n.t.Helper()
	found, err := commandRequests(auditLog(shared.dir), since)
	n.must(err)
	found = slices.DeleteFunc(found, func(a audited) bool {
		return methods()[a.Verb] == "" || a.User.Username != n.user(runner) || a.ObjectRef.Namespace != n.name
	})
	slices.SortStableFunc(found, func(a, b audited) int { return a.RequestReceivedTimestamp.Compare(b.RequestReceivedTimestamp) })
	names := make([]string, len(found))
	for i, a := range found {
		names[i] = a.name()
	}
	return names
}
