package suite

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reader follows a page, in a namespace and a directory of his own, with the Role
// that doctor prints and no other right.
type reader struct {
	*space
	page, dir string
	// names are this reader's for those of the page.
	names names
}

// topics are the pages that there must be; whatever else there is, is followed too.
func topics() []string {
	return []string{"back-a-claim-up", "ci", "maintain-a-repository", "quiesce-a-database", "read-a-failure", "restore", "schedule-backups"}
}

// TestHowTo does what the pages of docs/how-to say, from first to last.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../docs/how-to/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, page := range pages {
		topic := strings.TrimSuffix(filepath.Base(page), ".md")
		found = append(found, topic)
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			steps := readPage(t, page)
			if !slices.ContainsFunc(steps, func(s step) bool { return s.command != "" && s.killedAt == "" }) {
				t.Fatalf("%s: no command stands in it", page)
			}
			r := newReader(t, page, steps)
			for i := range steps {
				r.follow(&steps[i])
			}
		})
	}
	for _, topic := range topics() {
		if !slices.Contains(found, topic) {
			t.Errorf("the page %s.md is missing", topic)
		}
	}
}

// newReader makes what the reader of a page already has. Without a cluster.yaml he
// has no cluster.
func newReader(t testing.TB, page string, steps []step) *reader {
	t.Helper()
	r := &reader{space: &space{t: t, name: "vk-" + strings.ToLower(rand.Text()[:8])}, page: page, dir: t.TempDir()}
	r.names = names{
		"prod": r.name, "csi-snap": "vk-snap", "csi-disk": "vk-immediate", "node-1": "127.0.0.1",
		"gitops-prod": "gitops-" + r.name, // the name that applies gives the cluster-scoped object gitops
	}
	had, err := filepath.Glob(filepath.Join("testdata", "howto", strings.TrimSuffix(filepath.Base(page), ".md"), "*"))
	r.must(err)
	sources := sourcesOf(steps)
	for _, file := range had {
		text, err := os.ReadFile(file)
		r.must(err)
		if filepath.Base(file) == "cluster.yaml" {
			r.has(string(text))
			continue
		}
		r.writes(filepath.Base(file), string(text))
		sources = append(sources, string(text))
	}
	switch {
	case len(had) == 0: // no cluster either
	case slices.ContainsFunc(steps, func(s step) bool { return strings.HasPrefix(s.command, "kubectl create token ") }):
		// The page makes the account and its rights.
	default:
		r.hired(sources, steps)
	}
	return r
}

// has makes the namespace and what the reader has in it.
func (r *reader) has(manifest string) {
	r.t.Helper()
	_, err := shared.typed.CoreV1().Namespaces().Create(r.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.name}}, metav1.CreateOptions{})
	r.must(err)
	r.t.Cleanup(r.remove)
	r.applies(r.names.in(manifest))
	r.untilReady()
}

// follow does one step.
func (r *reader) follow(s *step) {
	r.t.Helper()
	switch {
	case s.deletePods:
		r.deletesPods()
	case s.file != "":
		r.writes(s.file, s.text)
		if len(s.jobs) > 0 {
			r.runsPipeline(s)
		}
	case s.killedAt != "":
		r.kills(s)
	default:
		code, printed := r.runs(s.command)
		if code != s.code {
			r.t.Fatalf("%s:%d: %s\nended with %d, the page says %d\n%s", r.page, s.line, s.command, code, s.code, printed)
		}
		if err := r.names.expect(s.shown, printed); err != nil {
			r.t.Fatalf("%s:%d: %s\n%v\n\nwhat was printed:\n%s", r.page, s.line, s.command, err, printed)
		}
	}
}

// deletesPods deletes the movers' pods without grace, and waits until they are gone
// with all that they might have told.
func (r *reader) deletesPods() {
	r.t.Helper()
	pods, now := shared.typed.CoreV1().Pods(r.name), int64(0)
	movers := metav1.ListOptions{LabelSelector: moverLabel}
	r.must(pods.DeleteCollection(r.t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, movers))
	r.until("the movers' pods are gone", func(ctx context.Context) bool {
		left, err := pods.List(ctx, movers)
		r.must(err)
		return len(left.Items) == 0
	})
}

// writes writes one of the reader's files.
func (r *reader) writes(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	r.must(os.MkdirAll(filepath.Dir(path), 0o755))
	r.must(os.WriteFile(path, []byte(r.names.in(text)), 0o644))
}

// runs runs a command of the page and returns what it prints on both streams.
// What else kubectl is to do, alone or at the end of a pipe, is done here.
func (r *reader) runs(text string) (code int, printed string) {
	r.t.Helper()
	if words, found := strings.CutPrefix(text, "kubectl create "); found {
		return 0, r.creates(strings.Fields(r.names.in(words)))
	}
	before, file, applies := strings.Cut(text, "kubectl apply -f ")
	producer, piped := strings.CutSuffix(strings.TrimSpace(before), "|")
	switch {
	case !applies:
		out, err := r.console(text).CombinedOutput()
		return r.exitCode(err), string(out)
	case piped && file == "-":
		cmd := r.console(producer)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err == nil {
			r.applies(string(out))
		}
		return r.exitCode(err), ""
	}
	manifest, err := os.ReadFile(filepath.Join(r.dir, file))
	r.must(err)
	r.applies(string(manifest))
	return 0, ""
}

// console is a shell, ready to run a command that the page shows. Its rights are
// those of the reader's account: none before he has one. Only who may impersonate,
// as the page says, can ask for another.
func (r *reader) console(command string) *exec.Cmd {
	r.t.Helper()
	kubeconfig := cmp.Or(r.kubeconfig, os.DevNull)
	if strings.Contains(command, " --as=") {
		kubeconfig = shared.administrator
	}
	return r.shell(command, "KUBECONFIG="+kubeconfig, "VOLSYNC_KOPIA_MOVER_IMAGE="+moverImage)
}

// shell is a shell, ready to run a script as a reader's would. It finds the plugin as
// kubectl does, and no other kubectl.
func (r *reader) shell(script string, env ...string) *exec.Cmd {
	r.t.Helper()
	const kubectl = `kubectl() { [ "$1" = volsync-kopia ] || { echo "no kubectl $1 here" >&2; return 127; }; shift; "$PLUGIN" "$@"; }` + "\n"
	cmd := exec.CommandContext(r.t.Context(), "sh", "-e", "-c", kubectl+r.names.in(script))
	cmd.WaitDelay = 10 * time.Second // what it has started may keep its output open
	cmd.Dir = r.dir
	tools, err := filepath.Abs("../../../bin") // kopia
	r.must(err)
	cmd.Env = append([]string{"PLUGIN=" + shared.command, "PATH=" + tools + ":" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + os.TempDir()}, env...)
	return cmd
}

// exitCode is that of a command that was run.
func (r *reader) exitCode(err error) int {
	r.t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	r.must(err)
	return 0
}
