package cmd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// manifestServer answers with a manifest, and in the ways in which a server can
// fail to.
func manifestServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	mux.HandleFunc("/good.yaml", answer(validateGood))
	mux.HandleFunc("/bad.yaml", answer(validateBad))
	mux.HandleFunc("/moved.yaml", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good.yaml", http.StatusFound) })
	mux.HandleFunc("/loop.yaml", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop.yaml?again", http.StatusFound)
	})
	mux.HandleFunc("/away.yaml", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/closed.yaml", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/slow.yaml", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	})
	mux.HandleFunc("/endless.yaml", func(w http.ResponseWriter, _ *http.Request) {
		line := []byte(strings.Repeat("# no end\n", 1000))
		for n := 0; n < 4*spec.MaxInputSize; n += len(line) {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestAManifestIsReadFromAURL(t *testing.T) {
	t.Parallel()
	server := manifestServer(t)
	for path, want := range map[string]string{
		"/good.yaml":      "no problems in 1 file",
		"/moved.yaml":     "no problems in 1 file",
		"/bad.yaml?a=key": server.URL + "/bad.yaml:5:14",
	} {
		got := validateWith(nil, "", "-f", server.URL+path)
		if !strings.Contains(got.out, want) || strings.Contains(got.out, "a=key") {
			t.Errorf("%s: exit %d\n%s%s", path, got.code, got.out, got.errOut)
		}
	}
	twice := validateWith(nil, "", "-f", server.URL+"/good.yaml", "-f", server.URL+"/good.yaml")
	if !strings.Contains(twice.out, "no problems in 1 file") {
		t.Errorf("the same URL twice: %s%s", twice.out, twice.errOut)
	}
}

// TestAURLThatCannotBeReadIsExit2 keeps what may be a credential out of the error.
func TestAURLThatCannotBeReadIsExit2(t *testing.T) {
	t.Parallel()
	server := manifestServer(t)
	host := strings.TrimPrefix(server.URL, "http://")
	for url, want := range map[string]string{
		"http://user:hunter2@" + host + "/missing.yaml?sig=hunter2": "/missing.yaml: the server answered 404 Not Found\n  fix: correct the URL",
		server.URL + "/closed.yaml?sig=hunter2":                     "answered 403 Forbidden",
		server.URL + "/loop.yaml?sig=hunter2":                       "more than 5 redirects",
		server.URL + "/away.yaml?sig=hunter2":                       "which is no http or https URL",
		server.URL + "/slow.yaml?sig=hunter2":                       "no whole answer within 300ms\n  fix: --request-timeout sets the limit",
		"http://127.0.0.1:1/x.yaml?sig=hunter2":                     "connection refused",
		"https://" + host + "/good.yaml?sig=hunter2":                "http: server gave HTTP response to HTTPS client",
		"http:///x?sig=hunter2":                                     "only http and https URLs can be read",
		"s3://bucket/x?sig=hunter2":                                 "s3://bucket/x: only http and https URLs can be read",
	} {
		limit := "30s"
		if strings.Contains(url, "/slow.yaml") {
			limit = "300ms"
		}
		got := validateWith(nil, "", "-f", url, "--request-timeout="+limit)
		if got.code != 2 || !strings.Contains(got.errOut, want) || strings.Contains(got.out+got.errOut, "hunter2") {
			t.Errorf("%s: exit %d, want 2 and %q\n%s", url, got.code, want, got.errOut)
		}
	}
}

func TestWhatAURLHoldsIsBounded(t *testing.T) {
	t.Parallel()
	got := validateWith(nil, "", "-f", manifestServer(t).URL+"/endless.yaml")
	if got.code != 3 || !strings.Contains(got.out, "MiB") {
		t.Errorf("exit %d\n%.500s%s", got.code, got.out, got.errOut)
	}
}

// kustomized is an overlay with a base, a generated policy ConfigMap and a patch.
func kustomized(t *testing.T, more map[string]string) string {
	t.Helper()
	files := map[string]string{
		"base/kustomization.yaml": "resources: [source.yaml]\n",
		"base/source.yaml":        validateGood,
		"prod/kustomization.yaml": "resources: [../base]\nnamespace: tenant\npatches:\n" +
			"- target: {kind: ReplicationSource}\n  patch: |\n    - {op: add, path: /spec/kopia/sourcePath, value: '..'}\n",
	}
	for name, text := range more {
		files[name] = text
	}
	return writeInputs(t, files)
}

func TestAKustomizationIsBuilt(t *testing.T) {
	t.Parallel()
	dir := kustomized(t, nil)
	got := validateWith(nil, "", "-k", filepath.Join(dir, "base"))
	if got.code != 0 || !strings.Contains(got.out, "no problems in 1 file") {
		t.Errorf("exit %d\n%s%s", got.code, got.out, got.errOut)
	}
	got = validateWith(nil, "", "-k", filepath.Join(dir, "prod"))
	if got.code != 3 || !strings.Contains(got.out, "<kustomize "+filepath.ToSlash(dir)+"/prod>:") || !strings.Contains(got.out, "VK124") {
		t.Errorf("exit %d\n%s%s", got.code, got.out, got.errOut)
	}
}

// TestAKustomizationReachesNothingElsewhere lists the ways in which kustomize
// would have fetched something.
func TestAKustomizationReachesNothingElsewhere(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a repository":      "resources: ['https://git.example/org/repo//path?ref=v1']",
		"a git address":     "resources: ['git@git.example:org/repo']",
		"a well-known host": "components: ['github.com/org/repo/path']",
		"a resource":        "resources: ['https://manifests.example/source.yaml']",
		"an old base":       "bases: ['ssh://git@git.example/org/repo']",
		"a patch":           "resources: [../base]\npatches: [{path: 'https://manifests.example/patch.yaml'}]",
		"a generated file":  "configMapGenerator: [{name: p, files: ['global-policy.json=https://manifests.example/p.json']}]",
		"a schema":          "resources: [../base]\nopenapi: {path: 'https://manifests.example/schema.json'}",
	} {
		dir := kustomized(t, map[string]string{"prod/kustomization.yaml": text})
		got := validateWith(nil, "", "-k", filepath.Join(dir, "prod"))
		if got.code != 2 || !strings.Contains(got.errOut, "-k reads local files only") {
			t.Errorf("%s: exit %d\n%s%s", name, got.code, got.out, got.errOut)
		}
	}
	dir := kustomized(t, map[string]string{
		"prod/kustomization.yaml": "resources: [../base]\nconfigMapGenerator: [{name: p, literals: ['SITE=https://www.example/']}]",
		"out/kustomization.yaml":  "resources: [../deep]",
		"deep/kustomization.yaml": "resources: ['https://manifests.example/source.yaml']",
		"up/kustomization.yaml":   "resources: ['../base/source.yaml']",
	})
	if got := validateWith(nil, "", "-k", filepath.Join(dir, "prod")); got.code != 0 {
		t.Errorf("a literal that is an address: exit %d\n%s%s", got.code, got.out, got.errOut)
	}
	for arg, want := range map[string]string{
		filepath.Join(dir, "out"):                       "-k reads local files only",
		filepath.Join(dir, "up"):                        "is not in or below",
		filepath.Join(dir, "none"):                      "no such file or directory",
		filepath.Join(dir, "base", "source.yaml"):       "no directory",
		"https://git.example/org/repo":                  "-k reads local files only",
		filepath.Join(dir, "base") + "/../deep/missing": "no such file or directory",
	} {
		got := validateWith(nil, "", "-k", arg)
		if got.code != 2 || !strings.Contains(got.errOut, want) || !strings.Contains(got.errOut, "fix: ") {
			t.Errorf("%s: exit %d, want 2 and %q\n%s", arg, got.code, want, got.errOut)
		}
	}
}
