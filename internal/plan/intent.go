package plan

import (
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Intent says in a few words what the run does, as "Backup of pvc/app-data as
// app@prod:/data".
func (p *Plan) Intent() string {
	what := "an unknown claim"
	switch {
	case p.Operation == result.OperationMaintenance:
		owner := p.Identity.String()
		if p.OwnerUnread {
			owner += ", or whom the Secret names"
		}
		return fmt.Sprintf("Maintenance of the repository in secret/%s as %s", p.Repository.Secret, owner)
	case p.Local != nil:
		what = p.Local.SourceDir
	case p.Copy != nil:
		what = "pvc/" + p.Copy.Claim
	}
	return fmt.Sprintf("Backup of %s as %s", what, p.Identity)
}
