package cmd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestEveryNamespaceTakesAClusterRole: the Role of a namespace, which is the way out
// of any other refusal, does not help who asks for all of them.
func TestEveryNamespaceTakesAClusterRole(t *testing.T) {
	t.Parallel()
	forbids := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := apierrors.NewForbidden(schema.GroupResource{Resource: r.URL.Path}, "", nil).Status()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(status)
	}))
	t.Cleanup(forbids.Close)
	for _, command := range []string{"runs list", "status", "cleanup", "schedule list"} {
		for _, where := range []string{"-A", "-n prod"} {
			t.Run(command+" "+where, func(t *testing.T) {
				t.Parallel()
				var out, stderr bytes.Buffer
				f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &stderr})
				code := Main(t.Context(), f, append(strings.Fields(command+" "+where), "--server", forbids.URL))
				if code != 5 || !strings.Contains(stderr.String(), "--print-role") || strings.Contains(stderr.String(), "ClusterRole") != (where == "-A") {
					t.Errorf("exit %d\n%s%s", code, out.String(), stderr.String())
				}
			})
		}
	}
}
