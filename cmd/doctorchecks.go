package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// checkStatus is how a check ended.
type checkStatus string

const (
	checkOK     checkStatus = "ok"
	checkFailed checkStatus = "fail"
	checkWarned checkStatus = "warn"
	// checkInfo is also what could not be judged.
	checkInfo checkStatus = "info"
)

// check is one line of a diagnosis.
type check struct {
	Status checkStatus `json:"status"`
	// About is what was looked at, as "rights".
	About   string `json:"about"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func (c check) write(w io.Writer) error {
	word := string(c.Status)
	if c.Status == checkFailed {
		word = "FAIL"
	}
	text := fmt.Sprintf("  %-5s %s: %s\n", word, c.About, c.Message)
	if c.Code != "" {
		text = fmt.Sprintf("  %-5s %s: %s %s\n", word, c.About, c.Code, c.Message)
	}
	if c.Fix != "" {
		text += "        fix: " + c.Fix + "\n"
	}
	_, err := io.WriteString(w, printable.Text(text))
	return err
}

// What is looked at, in the order of the lines.
const (
	aboutServer   = "API server"
	aboutObject   = "source"
	aboutRights   = "rights"
	aboutStorage  = "storage"
	aboutImage    = "mover image"
	aboutSecurity = "Pod Security"
	aboutQuota    = "quota"
	aboutPolicies = "policy files"
	aboutSecret   = "repository"
	aboutMore     = "plan"
)

// areas are the findings that each line is about; what is in none is about the
// plan.
func areas() map[string][]string {
	return map[string][]string{
		aboutObject: {"VK515", "VK516", "VK517"},
		aboutRights: {"VK518", "VK519"},
		aboutStorage: {
			"VK501", "VK502", "VK503", "VK504", "VK505", "VK506", "VK507", "VK508", "VK509", "VK510", "VK511", "VK512", "VK513", "VK528",
		},
		aboutImage:    {"VK524"},
		aboutSecurity: {"VK521"},
		aboutQuota:    {"VK520"},
		aboutPolicies: {"VK522", "VK523"},
	}
}

// checksOf are the checks of a plan: each area's findings, or else that it is in
// order, or why that is not known.
func checksOf(facts *plan.Facts, p *plan.Plan) []check {
	unknown := map[plan.FactName]string{}
	for _, u := range facts.Unknown {
		unknown[u.Fact] = u.Reason
	}
	checks := []check{serverCheck(facts)}
	for _, about := range []string{aboutObject, aboutRights, aboutStorage, aboutImage, aboutSecurity, aboutQuota, aboutPolicies} {
		found := findingsAbout(p, areas()[about])
		failed := slices.ContainsFunc(found, func(f *problem.Problem) bool { return f.Severity == problem.Error })
		for _, finding := range found {
			checks = append(checks, checkOf(about, finding))
		}
		if !failed {
			checks = append(checks, orderly(about, p, facts, unknown)...)
		}
	}
	if p.Operation == result.OperationMaintenance {
		for i := range checks {
			if checks[i].About == aboutObject {
				checks[i].About = string(p.Operation)
			}
		}
	}
	for _, finding := range findingsBesides(p) {
		checks = append(checks, checkOf(aboutMore, finding))
	}
	for _, u := range facts.Unknown {
		checks = append(checks, check{Status: checkInfo, About: string(u.Fact), Message: "unknown: " + u.Reason})
	}
	return append(checks, check{
		Status: checkInfo, About: aboutSecret,
		Message: "secret/" + p.Repository.Secret + " is not read (no right is needed); the mover checks its keys before anything is written",
	})
}

func serverCheck(facts *plan.Facts) check {
	served := "VolumeSnapshot v1 is served"
	if !facts.SnapshotAPI {
		served = "VolumeSnapshot is not served: copyMethod Snapshot is not possible"
	}
	return check{Status: checkOK, About: aboutServer, Message: facts.ServerVersion + ", " + served}
}

// orderly says that nothing is wrong in an area, or that it is not known.
func orderly(about string, p *plan.Plan, facts *plan.Facts, unknown map[plan.FactName]string) []check {
	ok := func(format string, args ...any) []check {
		return []check{{Status: checkOK, About: about, Message: fmt.Sprintf(format, args...)}}
	}
	unjudged := func(format string, args ...any) []check {
		return []check{{Status: checkInfo, About: about, Message: "not judged: " + fmt.Sprintf(format, args...)}}
	}
	switch about {
	case aboutObject:
		if p.Skip != nil {
			return []check{{Status: checkWarned, About: about, Message: "a " + string(p.Operation) + " would be skipped: " + p.Skip.Message}}
		}
		return nil
	case aboutRights:
		if len(facts.Rights) == 0 {
			return unjudged("the facts hold no answer of an access review")
		}
		return ok("all that the run uses")
	case aboutStorage:
		switch {
		case p.Operation == result.OperationMaintenance && p.Cache.Claim != "":
			return ok("the cache on claim %s", p.Cache.Claim)
		case p.Copy == nil:
			return nil
		}
		return ok("claim %s, copied by %s", p.Copy.Claim, p.Copy.Method)
	case aboutImage:
		return ok("%s", p.Mover.Image)
	case aboutSecurity:
		if reason, is := unknown[plan.FactNamespace]; is {
			return unjudged("the mover fits %q; what the namespace enforces is unknown: %s", p.Mover.PodSecurity, reason)
		}
		return ok("the mover fits %q", p.Mover.PodSecurity)
	case aboutQuota:
		return quotaCheck(p, facts, unknown, ok, unjudged)
	}
	return nil
}

// quotaCheck says whether the quotas leave room: what the steps make is needed to
// know that.
func quotaCheck(p *plan.Plan, facts *plan.Facts, unknown map[plan.FactName]string, ok, unjudged func(string, ...any) []check) []check {
	reason, is := unknown[plan.FactQuotas]
	switch {
	case is:
		return unjudged("quotas are unknown: %s", reason)
	case len(facts.Quotas) == 0:
		return ok("the namespace has none")
	case p.Copy == nil && p.Operation != result.OperationMaintenance:
		return unjudged("it is not known what the run would make, see above")
	case p.Skip != nil:
		return unjudged("a %s would make nothing now", p.Operation)
	}
	return ok("room for what the run makes")
}

// findingsAbout are the plan's findings with these codes.
func findingsAbout(p *plan.Plan, codes []string) []*problem.Problem {
	var found []*problem.Problem
	for i := range p.Findings {
		if slices.Contains(codes, p.Findings[i].Code) {
			found = append(found, &p.Findings[i])
		}
	}
	return found
}

// findingsBesides are the findings about the cluster that belong to no area.
func findingsBesides(p *plan.Plan) []*problem.Problem {
	var known []string
	for _, codes := range areas() {
		known = append(known, codes...)
	}
	var found []*problem.Problem
	for i := range p.Findings {
		if code := p.Findings[i].Code; strings.HasPrefix(code, "VK5") && !slices.Contains(known, code) {
			found = append(found, &p.Findings[i])
		}
	}
	return found
}

func checkOf(about string, p *problem.Problem) check {
	c := check{Status: checkInfo, About: about, Code: p.Code, Message: p.Message, Fix: p.Fix}
	switch p.Severity {
	case problem.Error:
		c.Status = checkFailed
	case problem.Warning:
		c.Status = checkWarned
	case problem.Info:
	}
	return c
}
