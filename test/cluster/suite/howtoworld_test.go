package suite

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// applies does what kubectl apply does with a manifest. A cluster-scoped object
// gets a name of the reader's own, and goes with him.
func (r *reader) applies(manifest string) {
	r.t.Helper()
	groups, err := restmapper.GetAPIGroupResources(shared.typed.Discovery())
	r.must(err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 1<<16)
	for {
		o := &unstructured.Unstructured{}
		if err := documents.Decode(&o.Object); errors.Is(err, io.EOF) {
			return
		} else if len(o.Object) == 0 {
			r.must(err)
			continue
		}
		mapping, err := mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		r.must(err)
		var objects dynamic.ResourceInterface = shared.dynamic.Resource(mapping.Resource).Namespace(r.name)
		if mapping.Scope.Name() == "root" {
			o.SetName(o.GetName() + "-" + r.name)
			cluster := shared.dynamic.Resource(mapping.Resource)
			r.t.Cleanup(func() { _ = cluster.Delete(contextOf(r.t), o.GetName(), metav1.DeleteOptions{}) })
			objects = cluster
		}
		_, err = objects.Apply(r.t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "howto", Force: true})
		r.must(err)
		r.untilInForce(o)
	}
}

// untilReady waits for the pods, and for those of the Deployments.
func (r *reader) untilReady() {
	r.t.Helper()
	r.until("what the reader has is ready", func(ctx context.Context) bool {
		deployments, err := shared.typed.AppsV1().Deployments(r.name).List(ctx, metav1.ListOptions{})
		r.must(err)
		for i := range deployments.Items {
			if deployments.Items[i].Status.AvailableReplicas == 0 {
				return false
			}
		}
		pods, err := shared.typed.CoreV1().Pods(r.name).List(ctx, metav1.ListOptions{})
		r.must(err)
		for i := range pods.Items {
			if !isPodReady(&pods.Items[i]) {
				return false
			}
		}
		return true
	})
}

func isPodReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// kills runs a command and kills it, and all that it started here, when it has
// printed the text.
func (r *reader) kills(s *step) {
	r.t.Helper()
	cmd := r.console(s.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	printed, err := cmd.StdoutPipe()
	r.must(err)
	cmd.Stderr = cmd.Stdout
	r.must(cmd.Start())
	var all []string
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), s.killedAt) {
			r.must(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
		}
	}
	if _ = cmd.Wait(); !endedBy(cmd, syscall.SIGKILL) {
		r.t.Fatalf("%s:%d: %s\nwas not killed, for it did not print %q\n%s", r.page, s.line, s.command, s.killedAt, strings.Join(all, "\n"))
	}
}
