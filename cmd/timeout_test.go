package cmd

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// TestTimeoutLimitsEveryCommandThatHasIt: also those that only look, on an API server
// that takes requests and does not answer.
func TestTimeoutLimitsEveryCommandThatHasIt(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	source := filepath.Join(t.TempDir(), "source.yaml")
	kopiatest.Write(t, source, "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: app, namespace: prod}\n"+
		"spec:\n  sourcePVC: data\n  kopia: {repository: vault}\n")
	for _, args := range []string{"plan -f " + source, "doctor -f " + source, "doctor", "doctor app", "plan app", "backup app", "backup -f " + source, "backup --dry-run=client -f " + source} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			var out, stderr bytes.Buffer
			f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &stderr})
			code := Main(t.Context(), f, append(strings.Fields(args), "--server", silent.URL, "-n", "prod", "--timeout", "200ms", "--mover-image", "registry.example/mover:1"))
			if code != 6 || !strings.Contains(stderr.String(), "took longer than 200ms") || !strings.Contains(stderr.String(), "--timeout sets the limit") {
				t.Errorf("exit %d\n%s%s", code, out.String(), stderr.String())
			}
		})
	}
}
