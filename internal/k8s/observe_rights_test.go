package k8s

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestARuleForSomeNamesIsAskedAbout: a rules review says "patch, for app only"; the
// access review says whether that is the object of this run.
func TestARuleForSomeNamesIsAskedAbout(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset()
	rule := func(group, resource, verb string, names ...string) authorizationv1.ResourceRule {
		return authorizationv1.ResourceRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}, ResourceNames: names}
	}
	client.PrependReactor("create", "selfsubjectrulesreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SelfSubjectRulesReview{Status: authorizationv1.SubjectRulesReviewStatus{ResourceRules: []authorizationv1.ResourceRule{
			rule("", "pods", "get"),
			rule("", "configmaps", "get", "vk-status-app"),
			rule(plan.GroupVolSync, "replicationsources/status", "patch", "app", "other"),
		}}}, nil
	})
	var asked []string
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review, ok := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		if !ok {
			t.Fatalf("%+v", a)
		}
		of := review.Spec.ResourceAttributes
		asked = append(asked, of.Namespace+": "+of.Verb+" "+of.Resource+"/"+of.Subresource+" "+of.Name)
		review.Status.Allowed = of.Name == "app"
		return true, review, nil
	})
	o := observation{cluster: &Cluster{typed: client}, namespace: "prod", questions: plan.Questions{
		Object: result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"},
		Rights: []plan.Rule{
			{Resource: "pods", Verbs: []string{"get", "list"}},
			{Resource: "configmaps", Verbs: []string{"get"}},
			{Group: plan.GroupVolSync, Resource: "replicationsources/status", Verbs: []string{"patch"}},
		},
	}}
	if err := o.readRights(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prod: get configmaps/ ", "prod: patch replicationsources/status app"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	want := []plan.Right{
		{Verb: "get", Resource: "pods", Allowed: true},
		{Verb: "list", Resource: "pods"},
		{Verb: "get", Resource: "configmaps"},
		{Verb: "patch", Group: plan.GroupVolSync, Resource: "replicationsources/status", Allowed: true},
	}
	if diff := cmp.Diff(want, o.facts.Rights); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
}
