package plan_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

func TestAVolumeThatIsAttachedBindsTheMover(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		alter        func(*plan.Claim)
		node, reason string
	}{
		"no pod uses it": {func(c *plan.Claim) { c.Consumers = nil }, "node-7", "claim postgres-data: its volume is attached there"},
		"a pod that has no node yet says nothing": {
			func(c *plan.Claim) { c.Consumers[0].Node = "" },
			"node-7", "claim postgres-data: its volume is attached there",
		},
		"a pod's node is the better word": {func(*plan.Claim) {}, "node-2", "pod postgres-0 holds claim postgres-data there"},
		"a claim that every node can mount": {func(c *plan.Claim) {
			c.Consumers, c.AccessModes = nil, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		}, "", ""},
		"it is not attached": {func(c *plan.Claim) { c.Consumers, c.Volume.AttachedTo = nil, "" }, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "direct-consumer")
			in.Facts.Claims[0].Volume.AttachedTo = "node-7"
			c.alter(&in.Facts.Claims[0])
			p, findings := plan.BuildBackup(in)
			if len(p.Steps) == 0 || p.Mover.Node != c.node || p.Mover.NodeReason != c.reason {
				t.Errorf("node %q, %q; want %q, %q; findings %v", p.Mover.Node, p.Mover.NodeReason, c.node, c.reason, findings)
			}
			bound := jobOf(t, p).Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields
			if (c.node != "") != (len(bound) == 1) || c.node != "" && bound[0].Values[0] != c.node {
				t.Errorf("the Job's affinity is %v, want %q", bound, c.node)
			}
		})
	}
}
