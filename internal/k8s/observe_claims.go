package k8s

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// readClaims reads the claims that were asked for, their volumes and the pods
// that use them.
func (o *observation) readClaims(ctx context.Context) error {
	for _, name := range o.questions.Claims {
		c, err := o.cluster.typed.CoreV1().PersistentVolumeClaims(o.namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return o.skip(err, plan.FactClaims)
		}
		claim := claimFacts(c)
		o.takeClaim(&claim)
		if err := o.readVolume(ctx, c.Spec.VolumeName, &claim); err != nil {
			return err
		}
		o.facts.Claims = append(o.facts.Claims, claim)
	}
	if len(o.facts.Claims) == 0 {
		return nil
	}
	return o.readConsumers(ctx)
}

// claimFacts keeps what a plan needs of a claim; its annotations hold the copy
// trigger and the provisioner.
func claimFacts(c *corev1.PersistentVolumeClaim) plan.Claim {
	claim := plan.Claim{
		Name: c.Name, UID: string(c.UID), StorageClass: c.Spec.StorageClassName,
		AccessModes: c.Spec.AccessModes, Phase: c.Status.Phase, Annotations: ourAnnotations(c.Annotations),
	}
	if c.Spec.VolumeMode != nil {
		claim.VolumeMode = *c.Spec.VolumeMode
	}
	if size, ok := c.Spec.Resources.Requests[corev1.ResourceStorage]; ok {
		claim.Requested = &size
	}
	if size, ok := c.Status.Capacity[corev1.ResourceStorage]; ok {
		claim.Capacity = &size
	}
	return claim
}

func (o *observation) readVolume(ctx context.Context, name string, claim *plan.Claim) error {
	if known := o.cluster.classes; known != nil {
		o.takeVolume(known, name, claim)
		return nil
	}
	if name == "" || o.unknown.has(plan.FactVolumes) {
		return nil
	}
	v, err := o.cluster.typed.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return o.skip(err, plan.FactVolumes)
	}
	claim.Volume = &plan.Volume{Name: v.Name, NodeAffinity: v.Spec.NodeAffinity}
	if v.Spec.CSI != nil {
		claim.Volume.Driver = v.Spec.CSI.Driver
	}
	if ref := v.Spec.ClaimRef; ref != nil {
		claim.Volume.ClaimUID = string(ref.UID)
	}
	return nil
}

// takeVolume takes a claim's volume from the class facts. The cache's is never there: runs
// make its claim, and the scheduler follows that volume by itself.
func (o *observation) takeVolume(known *plan.ClassFacts, name string, claim *plan.Claim) {
	if name == "" || claim.Name == plan.Name(plan.NameCache, o.questions.Object, "") {
		return
	}
	if claim.Volume = known.Volume(name); claim.Volume == nil {
		o.unknown.add(plan.FactVolumes, fmt.Errorf("PersistentVolume %s of claim %s %s", name, claim.Name, notAmongClassFacts))
	}
}

// readConsumers finds the pods that use any of the claims, with one list.
func (o *observation) readConsumers(ctx context.Context) error {
	pods, err := o.cluster.typed.CoreV1().Pods(o.namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
	})
	if err != nil {
		return o.skip(err, plan.FactConsumers)
	}
	for i := range pods.Items {
		for j := range o.facts.Claims {
			claim := &o.facts.Claims[j]
			if user, ok := consumer(&pods.Items[i], claim.Name); ok {
				claim.Consumers = append(claim.Consumers, user)
			}
		}
	}
	if err := o.readAttachments(ctx); err != nil {
		return err
	}
	return o.readNodeLabels(ctx)
}

// readAttachments asks where the volumes are attached that one node at a time
// can have and that no pod tells of. Most often there are none, and nobody is
// asked.
func (o *observation) readAttachments(ctx context.Context) error {
	wanted := map[string]*plan.Volume{}
	for i := range o.facts.Claims {
		c := &o.facts.Claims[i]
		placed := slices.ContainsFunc(c.Consumers, func(u plan.Consumer) bool { return u.Node != "" })
		if c.Volume != nil && c.Volume.Driver != "" && !placed && !slices.Contains(c.AccessModes, corev1.ReadWriteMany) && !slices.Contains(c.AccessModes, corev1.ReadOnlyMany) {
			wanted[c.Volume.Name] = c.Volume
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if o.cluster.classes != nil {
		o.unknown.add(plan.FactAttachments, errors.New("class facts hold no VolumeAttachments"))
		return nil
	}
	list, err := o.cluster.typed.StorageV1().VolumeAttachments().List(ctx, metav1.ListOptions{})
	if err != nil {
		return o.skip(err, plan.FactAttachments)
	}
	for i := range list.Items {
		a := &list.Items[i]
		if name := a.Spec.Source.PersistentVolumeName; name != nil && wanted[*name] != nil && a.Status.Attached {
			wanted[*name].AttachedTo = a.Spec.NodeName
		}
	}
	return nil
}

// consumer returns how the pod uses the claim.
func consumer(pod *corev1.Pod, claim string) (plan.Consumer, bool) {
	var volumes []string
	readOnly := true
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim:
			readOnly = readOnly && v.PersistentVolumeClaim.ReadOnly
		case v.Ephemeral != nil && pod.Name+"-"+v.Name == claim:
			readOnly = false
		default:
			continue
		}
		volumes = append(volumes, v.Name)
	}
	if len(volumes) == 0 {
		return plan.Consumer{}, false
	}
	return plan.Consumer{
		Pod: pod.Name, Node: pod.Spec.NodeName, Phase: pod.Status.Phase, Tolerations: pod.Spec.Tolerations,
		ReadOnly: readOnly || mountedReadOnly(pod, volumes),
	}, true
}

// mountedReadOnly reports whether every container mounts the volumes read-only.
func mountedReadOnly(pod *corev1.Pod, volumes []string) bool {
	mounted := false
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			for _, m := range containers[i].VolumeMounts {
				if slices.Contains(volumes, m.Name) {
					mounted = true
					if !m.ReadOnly {
						return false
					}
				}
			}
		}
	}
	return mounted
}

// readNodeLabels adds the labels of the nodes that hold a claim whose volume has
// a topology: only they can contradict it.
func (o *observation) readNodeLabels(ctx context.Context) error {
	if o.cluster.classes != nil { // the plan takes a node's name for its hostname label
		return nil
	}
	if !slices.ContainsFunc(o.facts.Claims, func(c plan.Claim) bool { return c.Volume != nil && c.Volume.NodeAffinity != nil }) {
		return nil
	}
	labels := map[string]map[string]string{}
	for i := range o.facts.Claims {
		for j := range o.facts.Claims[i].Consumers {
			user := &o.facts.Claims[i].Consumers[j]
			if user.Node == "" {
				continue
			}
			if _, asked := labels[user.Node]; !asked {
				node, err := o.cluster.typed.CoreV1().Nodes().Get(ctx, user.Node, metav1.GetOptions{})
				if apierrors.IsForbidden(err) {
					return nil // the plan takes the node's name for its hostname label
				}
				if err != nil {
					return o.skip(err, plan.FactConsumers)
				}
				labels[user.Node] = node.Labels
			}
			user.NodeLabels = labels[user.Node]
		}
	}
	return nil
}
