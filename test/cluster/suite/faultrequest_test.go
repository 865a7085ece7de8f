package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requestFaults are answers of the API server that are none, or not the ones that
// are wished for.
func requestFaults() []faultRow {
	big := func(f *faulted) { f.random("big", 24) }
	return []faultRow{
		{
			name: "watches and logs closed every second", shape: slow("2MB"), given: big, mend: (*faulted).hurry,
			meet: func(f *faulted) ended {
				c, end := f.spoilt((*counts).shorten)
				f.shows("%d watches and %d logs closed after a second", c.atLeast(f, "watch", 6), c.atLeast(f, "log", 3))
				return end
			},
			code: 0, says: "proved",
		},
		{
			name: "429 with Retry-After for the first of every request", live: true,
			meet: func(f *faulted) ended {
				c, end := f.spoilt((*counts).tooMany)
				f.shows("429 for %d requests", c.atLeast(f, "429", 15))
				return end
			},
			code: 0, says: "proved",
		},
		{
			name: "409 for the first of every change", live: true,
			meet: func(f *faulted) ended {
				c, end := f.spoilt((*counts).conflict)
				f.shows("409 for %d requests", c.atLeast(f, "409", 4))
				return end
			},
			code: 0, says: "proved",
		},
		{
			name: "status forbidden", live: true,
			meet: func(f *faulted) ended {
				c, end := f.spoilt(forbids("replicationsources/status", "replicationsources is forbidden: the fault matrix cannot patch its status"))
				f.shows("403 for %d writes of the status", c.atLeast(f, "403", 1))
				if !strings.Contains(end.stderr, "write its status") || !strings.Contains(end.stderr, "forbidden") {
					f.t.Errorf("it does not say that the status could not be written:\n%s", end.stderr)
				}
				f.remembers("Succeeded")
				return end
			},
			code: 8, says: "proved",
		},
		{
			name: "history forbidden", live: true,
			meet: func(f *faulted) ended {
				c, end := f.spoilt(forbids("configmaps", "configmaps is forbidden: the fault matrix cannot write the history"))
				f.shows("403 for %d writes of the history", c.atLeast(f, "403", 1))
				if !strings.Contains(end.stderr, "write the history") {
					f.t.Errorf("it does not say that the history could not be written:\n%s", end.stderr)
				}
				if a := f.job().Annotations; a["volsync-kopia/result"] == "" || a["volsync-kopia/collected"] != "" {
					f.t.Errorf("the Job does not keep the outcome for who can write it: %v", a)
				}
				f.remembers("Succeeded")
				return end
			},
			code: 8, says: "proved",
		},
	}
}

// spoilt runs the command behind a proxy that spoils its requests.
func (f *faulted) spoilt(how func(*counts, http.ResponseWriter, *http.Request, int) bool) (*counts, ended) {
	f.t.Helper()
	p, c := newProxy(f.t), &counts{}
	p.spoil = func(w http.ResponseWriter, r *http.Request, change int) bool { return how(c, w, r, change) }
	return c, f.begins(p.kubeconfig).wait()
}

// counts are how often a proxy has spoilt what.
type counts struct {
	mu sync.Mutex
	by map[string]int
}

// first reports whether the thing was not counted before, and counts it.
func (c *counts) first(thing string) bool { return c.count(thing) == 1 }

// count counts the thing, and says how often it has been.
func (c *counts) count(thing string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]int{}
	}
	c.by[thing]++
	return c.by[thing]
}

// atLeast fails the test unless the thing was counted so often.
func (c *counts) atLeast(f *faulted, thing string, want int) int {
	f.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[thing] < want {
		f.t.Fatalf("the fault happened %d times, want at least %d: %v", c.by[thing], want, c.by)
	}
	return c.by[thing]
}

// shorten lets no watch and no log be read for longer than a second: every other
// one ends properly, the others break off.
func (c *counts) shorten(_ http.ResponseWriter, r *http.Request, _ int) bool {
	kind := ""
	switch q := r.URL.Query(); {
	case q.Get("watch") != "":
		kind = "watch"
	case strings.HasSuffix(r.URL.Path, "/log"):
		kind = "log"
	default:
		return false
	}
	properly := c.count(kind)%2 == 0 && kind == "watch"
	if properly {
		q := r.URL.Query()
		q.Set("timeoutSeconds", "1")
		r.URL.RawQuery = q.Encode()
		return false
	}
	ctx, stop := context.WithTimeout(r.Context(), time.Second)
	context.AfterFunc(ctx, stop)
	*r = *r.WithContext(ctx)
	return false
}

// tooMany answers the first request of every method and path with 429.
func (c *counts) tooMany(w http.ResponseWriter, r *http.Request, _ int) bool {
	if !c.first(r.Method + " " + r.URL.Path + r.URL.Query().Get("watch")) {
		return false
	}
	c.first("429")
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "the fault matrix is too busy")
	return true
}

// conflict answers the first write to every object that exists with 409.
func (c *counts) conflict(w http.ResponseWriter, r *http.Request, change int) bool {
	if change == 0 || r.Method != http.MethodPut && r.Method != http.MethodPatch || !c.first(r.Method+" "+r.URL.Path) {
		return false
	}
	c.first("409")
	refuse(w, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified; please apply your changes to the latest version")
	return true
}

// forbids answers every write of the resource with 403.
func forbids(resource, message string) func(*counts, http.ResponseWriter, *http.Request, int) bool {
	return func(c *counts, w http.ResponseWriter, r *http.Request, change int) bool {
		if change == 0 || resourceOf(r.URL.Path) != resource {
			return false
		}
		c.first("403")
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, message)
		return true
	}
}

// refuse answers as the API server does.
func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{ //nolint:errchkjson // the command sees what came of it
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

// remembers fails the test unless status tells this outcome of the last run.
func (f *faulted) remembers(outcome string) ended {
	f.t.Helper()
	end := call(f.t, "status", "app", "-n", f.name, "-o", "json")
	if want := fmt.Sprintf(`"outcome": %q`, outcome); end.code != 0 || !strings.Contains(end.stdout, want) {
		f.t.Errorf("status ended with %d and does not say %s:\n%s%s", end.code, want, end.stdout, end.stderr)
	}
	return end
}
