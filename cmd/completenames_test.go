package cmd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// completed returns what the shell is offered after these arguments.
func completed(t *testing.T, server string, args ...string) (offered []string, errOut string) {
	t.Helper()
	var out, stderr bytes.Buffer
	f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &stderr})
	all := append([]string{"__complete", args[0]}, args[1:]...)
	all = slices.Insert(all, len(all)-1, "--server", server, "-n", "prod")
	if code := Main(t.Context(), f, all); code != 0 {
		t.Errorf("%v: exit %d\n%s", args, code, stderr.String())
	}
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSpace(line); line != "" && line[0] != ':' {
			offered = append(offered, line)
		}
	}
	return offered, stderr.String()
}

// namesServer is an API server with two sources and two runs.
func namesServer(t *testing.T) string {
	t.Helper()
	runs := &batchv1.JobList{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "JobList"}}
	for i, id := range []string{"20261122-2105-aaaaa", "20261122-2206-bbbbb"} {
		runs.Items = append(runs.Items, batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Name: id, Labels: map[string]string{plan.LabelRun: id}, CreationTimestamp: metav1.Unix(int64(i), 0),
		}})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/namespaces/prod/replicationsources"):
			_, _ = w.Write([]byte(`{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSourceList","items":[` +
				`{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSource","metadata":{"name":"media"}},` +
				`{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSource","metadata":{"name":"postgres"}}]}`))
		case strings.HasSuffix(r.URL.Path, "/namespaces/prod/jobs"):
			_ = json.NewEncoder(w).Encode(runs)
		case strings.HasSuffix(r.URL.Path, "/namespaces/prod/pods"):
			_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"PodList","items":[]}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestNamesOfTheClusterAreCompleted(t *testing.T) {
	t.Parallel()
	server := namesServer(t)
	for line, want := range map[string][]string{
		"backup |":                        {"media", "postgres"},
		"backup |po":                      {"postgres"},
		"backup media |":                  {"postgres"},
		"backup -f x.yaml |":              nil,
		"plan --local |":                  nil,
		"doctor |m":                       {"media"},
		"status |":                        {"media", "postgres"},
		"status media |":                  nil,
		"runs show |":                     {"20261122-2206-bbbbb\t", "20261122-2105-aaaaa\t"},
		"runs cancel |20261122-21":        {"20261122-2105-aaaaa\t"},
		"runs logs 20261122-2105-aaaaa |": nil,
	} {
		before, typed, _ := strings.Cut(line, "|")
		got, _ := completed(t, server, append(strings.Fields(before), typed)...)
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Nobody waits for long, or is told of errors, who has only pressed TAB.
func TestCompletionIsSilentAndQuick(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(done) })
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	for _, server := range []string{slow.URL, refuses.URL, "http://127.0.0.1:1", "::"} {
		for _, command := range [][]string{{"backup", ""}, {"runs", "show", ""}} {
			began := time.Now()
			got, errOut := completed(t, server, command...)
			if len(got) > 0 || strings.Contains(errOut, "rror") {
				t.Errorf("%s: %q, %s", server, got, errOut)
			}
			if took := time.Since(began); took > 2*completionTimeout {
				t.Errorf("%s: it took %s", server, took)
			}
		}
	}
}
