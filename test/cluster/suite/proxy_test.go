package suite

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxy stands between the command and the API server, sees every request and
// can spoil it.
type proxy struct {
	// kubeconfig leads through the proxy, with the rights of the test's namespace.
	kubeconfig string

	mu sync.Mutex
	// changes are the mutating requests so far, as "POST jobs".
	changes []string
	// spoil is asked for each request and returns true when it has answered it
	// itself; nil: nothing is spoilt. change is the request's number among the
	// mutating ones, from 1; 0: it is none.
	spoil func(w http.ResponseWriter, r *http.Request, change int) bool
	// after is called when a request was answered by the API server, before the
	// command gets the answer.
	after func(r *http.Request, change int)
	// answered is like after, and is given the answer.
	answered func(r *http.Response, change int) error
}

// newProxy starts a proxy that ends with the test.
func newProxy(t testing.TB) *proxy {
	t.Helper()
	p := &proxy{}
	// A token goes over no connection in the clear: the proxy has the caller's.
	caller, err := clientcmd.BuildConfigFromFlags("", callerOf(t))
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := url.Parse(caller.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(caller)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(upstream)
	forward.Transport, forward.FlushInterval = transport, -1
	forward.ModifyResponse = func(r *http.Response) error {
		if p.after != nil {
			p.after(r.Request, number(r.Request))
		}
		if p.answered != nil {
			return p.answered(r, number(r.Request))
		}
		return nil
	}
	forward.ErrorLog = log.New(io.Discard, "", 0) // a client that is killed is no news here
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change := p.note(r)
		r = r.WithContext(context.WithValue(r.Context(), numberKey{}, change))
		if p.spoil != nil && p.spoil(w, r, change) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	p.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	if err := clientcmd.WriteToFile(*config, p.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return p
}

// note counts a mutating request of the command. Reviews of rights change
// nothing.
func (p *proxy) note(r *http.Request) int {
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.Method) || strings.Contains(r.URL.Path, "selfsubject") {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, r.Method+" "+resourceOf(r.URL.Path))
	return len(p.changes)
}

// seen are the mutating requests so far.
func (p *proxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.changes)
}

// resourceOf is the resource of a request's path, as "jobs" or
// "replicationsources/status".
func resourceOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	i := slices.Index(parts, "namespaces")
	if i < 0 || len(parts) < i+3 {
		return parts[len(parts)-1]
	}
	if len(parts) > i+4 {
		return parts[i+2] + "/" + parts[i+4]
	}
	return parts[i+2]
}

// numberKey is the context key of a request's number among the mutating ones.
type numberKey struct{}

func number(r *http.Request) int {
	n, _ := r.Context().Value(numberKey{}).(int)
	return n
}
