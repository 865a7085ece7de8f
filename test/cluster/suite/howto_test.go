package suite

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reader follows a page, in a namespace and a directory of his own.
type reader struct {
	*space
	page, dir string
	// names are this reader's for those of the page.
	names names
}

// TestHowTo does what the pages of docs/how-to say, from first to last.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../docs/how-to/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			steps := readPage(t, page)
			r := newReader(t, page)
			for i := range steps {
				r.follow(&steps[i])
			}
		})
	}
}

// newReader makes what the reader of a page already has.
func newReader(t testing.TB, page string) *reader {
	t.Helper()
	r := &reader{space: &space{t: t, name: "vk-" + strings.ToLower(rand.Text()[:8])}, page: page, dir: t.TempDir()}
	r.names = names{
		"prod": r.name, "csi-snap": "vk-snap", "csi-disk": "vk-immediate", "node-1": "127.0.0.1",
		"gitops-prod": "gitops-" + r.name, // the name that applies gives the cluster-scoped object gitops
	}
	_, err := shared.typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.name}}, metav1.CreateOptions{})
	r.must(err)
	t.Cleanup(r.remove)
	had, err := filepath.Glob(filepath.Join("testdata", "howto", strings.TrimSuffix(filepath.Base(page), ".md"), "*"))
	r.must(err)
	for _, file := range had {
		text, err := os.ReadFile(file)
		r.must(err)
		if filepath.Base(file) == "cluster.yaml" {
			r.applies(r.names.in(string(text)))
			r.untilReady()
			continue
		}
		r.writes(filepath.Base(file), string(text))
	}
	return r
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
// What applies objects, alone or at the end of a pipe, is done here.
func (r *reader) runs(text string) (code int, printed string) {
	r.t.Helper()
	before, file, applies := strings.Cut(text, "kubectl apply -f ")
	producer, piped := strings.CutSuffix(strings.TrimSpace(before), "|")
	switch {
	case !applies:
		cmd := r.shell(shared.administrator, text)
		out, err := cmd.CombinedOutput()
		return r.exitCode(err), string(out)
	case piped && file == "-":
		cmd := r.shell(shared.administrator, producer)
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

// shell is a shell, ready to run a command of the page as a reader's would. It
// finds the plugin as kubectl does, and no other kubectl.
func (r *reader) shell(kubeconfig, script string) *exec.Cmd {
	plugin, _, _ := command(r.t.Context(), kubeconfig)
	const kubectl = `kubectl() { [ "$1" = volsync-kopia ] || { echo "no kubectl $1 here" >&2; return 127; }; shift; "$PLUGIN" "$@"; }` + "\n"
	cmd := exec.CommandContext(r.t.Context(), "sh", "-e", "-c", kubectl+r.names.in(script))
	cmd.WaitDelay = 10 * time.Second // what it has started may keep its output open
	cmd.Dir = r.dir
	tools, err := filepath.Abs("../../../bin") // kopia
	r.must(err)
	cmd.Env = append(plugin.Env, "PLUGIN="+shared.command, "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+r.dir)
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
