package k8s

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream/wsstream"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// app is an application in a pod: a real server of the exec protocol, whose
// commands are Go functions by name. It writes down what was run where, with what
// the Job said at that moment.
type app struct {
	t       *testing.T
	cluster *Cluster
	// commands are known by the text after sh -c. It returns what the command
	// writes and its exit code.
	commands map[string]func() (stdout string, code int)
	// refuse is the status of every answer instead; 0: commands are run.
	refuse int

	mu  sync.Mutex
	ran []string
}

const (
	testNamespace = "prod"
	testJob       = "vk-src-app-x7k2q"
)

// newApp starts an application of the objects, and a suspended Job with the hooks.
func newApp(t *testing.T, hooks spec.Hooks, objects ...runtime.Object) *app {
	t.Helper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: testJob, Namespace: testNamespace, Annotations: map[string]string{
		spec.AnnotationExecIn: hooks.In, spec.AnnotationExecBefore: hooks.Before, spec.AnnotationExecAfter: hooks.After,
		spec.AnnotationExecTimeout: hooks.Timeout,
	}}}
	a := &app{t: t, commands: map[string]func() (string, int){}}
	server := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(server.Close)
	a.cluster = &Cluster{typed: fake.NewClientset(append(objects, job)...), config: &rest.Config{Host: server.URL}}
	return a
}

// serve runs a command, as a kubelet does.
func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	if a.refuse != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.refuse)
		reason := metav1.StatusReasonInternalError
		if a.refuse == http.StatusForbidden {
			reason = metav1.StatusReasonForbidden
		}
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
			Reason: reason, Code: int32(a.refuse), Message: "refused by the test",
		})
		return
	}
	const onlyWrite, ignore = wsstream.WriteChannel, wsstream.IgnoreChannel
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{remotecommand.StreamProtocolV5Name: {
		Binary: true, Channels: []wsstream.ChannelType{ignore, onlyWrite, onlyWrite, onlyWrite, ignore},
	}})
	_, streams, err := conn.Open(w, r)
	if err != nil {
		a.t.Errorf("open the connection: %v", err)
		return
	}
	defer conn.Close()
	text := r.URL.Query()["command"][2]
	a.note(r.URL.Path + " " + r.URL.Query().Get("container") + " " + text + " " + a.state()) //nolint:contextcheck // the test's own
	out, code := "", 127
	if run := a.commands[text]; run != nil {
		out, code = run()
	}
	_, _ = streams[1].Write([]byte(out))
	_ = json.NewEncoder(streams[3]).Encode(statusOf(code))
}

// statusOf is how a kubelet reports an exit code.
func statusOf(code int) metav1.Status {
	if code == 0 {
		return metav1.Status{Status: metav1.StatusSuccess}
	}
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason, Message: "ended badly",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(code)}}},
	}
}

func (a *app) note(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ran = append(a.ran, what)
}

// has gives the application a command.
func (a *app) has(text, output string, code int) {
	a.commands[text] = func() (string, int) { return output, code }
}

// job is the Job as it is now.
func (a *app) job() *batchv1.Job {
	job, err := a.cluster.typed.BatchV1().Jobs(testNamespace).Get(a.t.Context(), testJob, metav1.GetOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return job
}

// state is what the Job says of the hooks.
func (a *app) state() string { return a.job().Annotations[plan.AnnotationExecState] }

// heard keeps the events of a run as a person reads them.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) Observe(e result.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Told() {
		h.lines = append(h.lines, e.Message)
	}
}

// target is the run of the hooks, its Job made by step 1.
func (a *app) target(hooks spec.Hooks, h *heard) *Target {
	limit, _ := hooks.Limit()
	after := &plan.Exec{When: plan.ExecAfter, In: hooks.In, Command: []string{"sh", "-c", hooks.After}, Timeout: result.Duration(limit)}
	p := plan.Plan{
		RunID: "20261122-2105-x7k2q", Object: result.ObjectRef{Namespace: testNamespace},
		Cleanup: []plan.Cleanup{{Step: 2, Action: plan.CleanupExec, Exec: after}},
	}
	t := NewTarget(a.cluster, p, Outcome{}, h, time.Now, func(error) {})
	a.t.Cleanup(t.Close)
	made := &unstructured.Unstructured{Object: map[string]any{}}
	made.SetNamespace(testNamespace)
	made.SetName(testJob)
	t.keepObject(1, made)
	return t
}

// step is a hook's step.
func step(hooks spec.Hooks, when plan.ExecMoment) plan.Step {
	limit, _ := hooks.Limit()
	text := hooks.Before
	if when == plan.ExecAfter {
		text = hooks.After
	}
	return plan.Step{ID: 2, Kind: plan.StepExec, Targets: []int{1}, Exec: &plan.Exec{
		When: when, In: hooks.In, Command: []string{"sh", "-c", text}, Timeout: result.Duration(limit),
	}}
}

// pod is a pod of two containers that is ready since it was made.
func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: testNamespace, Labels: map[string]string{"app": "wiki"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "side"}, {Name: "php"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func notReady(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }

func madeAt(minute int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.CreationTimestamp = metav1.NewTime(time.Date(2026, 11, 22, 21, minute, 0, 0, time.UTC))
	}
}

func deployment(replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "wiki", Namespace: testNamespace},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "wiki"}}},
	}
}
