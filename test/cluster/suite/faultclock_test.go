package suite

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// clockFaults are commands on machines whose clocks differ.
func clockFaults() []faultRow {
	return []faultRow{
		{
			name: "clock of a living holder 10 minutes ahead", leaves: true,
			meet: func(f *faulted) ended { return f.meetsHolder(10 * time.Minute) },
			code: 5, says: "another run of this source holds it.*just renewed",
		},
		{
			name: "clock of a living holder 10 minutes behind", leaves: true,
			meet: func(f *faulted) ended { return f.meetsHolder(-10 * time.Minute) },
			code: 5, says: "another run of this source holds it.*just renewed",
		},
		{
			name: "clock of a dead holder 10 minutes ahead",
			meet: func(f *faulted) ended {
				p, _ := f.skewed(10 * time.Minute)
				f.must(p.cmd.Process.Kill())
				p.wait()
				f.held(10 * time.Minute)
				if !endedBy(p.cmd, syscall.SIGKILL) {
					f.t.Fatalf("the first command was not killed:\n%s", p.stderr)
				}
				began := time.Now()
				end := f.backs()
				took := time.Since(began)
				f.shows("the holder was killed; the next command took %s", took.Round(time.Second))
				if took < 15*time.Second || took > 2*time.Minute {
					f.t.Errorf("the next command took %s; the Lease lasts 15s", took)
				}
				return end
			},
			code: 0, says: "proved",
		},
	}
}

// meetsHolder runs a backup beside one that holds the Lease, and whose clock is
// wrong by so much. The holder must not notice.
func (f *faulted) meetsHolder(wrong time.Duration) ended {
	f.t.Helper()
	first, letGo := f.skewed(wrong)
	end := f.backsBeside()
	f.held(wrong)
	f.lookAtOnce()
	if isDone(first) {
		f.t.Fatalf("the holder has ended too early:\n%s", first.stderr)
	}
	letGo()
	if held := first.wait(); held.code != 0 {
		f.t.Errorf("the holder ended with %d\n%s", held.code, held.stderr)
	}
	return end
}

// backsBeside runs the backup that meets the fault beside a run that does not move
// meanwhile, and fails the test when it has made or removed anything.
func (f *faulted) backsBeside() ended {
	f.t.Helper()
	before := f.now()
	end := f.backs()
	if diff := cmp.Diff(before, f.now()); diff != "" {
		f.t.Errorf("the second command did not leave all as it was (-before +now):\n%s", diff)
	}
	f.shows("%d objects before the second command and after it", len(before))
	return end
}

// skewed starts a backup whose clock is wrong, and returns when it holds the Lease
// and is about to make its snapshot, with what lets it do so.
func (f *faulted) skewed(wrong time.Duration) (holder *running, letGo func()) {
	f.t.Helper()
	p := newProxy(f.t)
	held, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(held) })
	letGo = sync.OnceFunc(func() { close(release) })
	f.t.Cleanup(letGo) // the proxy ends only when it has answered
	p.spoil = func(_ http.ResponseWriter, r *http.Request, change int) bool {
		switch resource := resourceOf(r.URL.Path); {
		case change > 0 && resource == "leases":
			if err := skew(r, wrong); err != nil {
				f.t.Errorf("the time in a Lease was not moved: %v", err)
			}
		case change > 0 && resource == "volumesnapshots" && r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body) // only then it is seen that the holder was killed
			r.Body = io.NopCloser(bytes.NewReader(body))
			once()
			select {
			case <-release:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		return false
	}
	holder = f.begins(p.kubeconfig)
	select {
	case <-held:
	case <-holder.done:
		f.t.Fatalf("the holder ended before it made its snapshot: %+v", holder.wait())
	}
	return holder, letGo
}

// skew moves the times in a Lease that is written. The client sends protobuf; the
// API server takes JSON as well.
func skew(r *http.Request, by time.Duration) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(body) > 0 && r.Method != http.MethodDelete {
		var lease coordinationv1.Lease
		if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, &lease); err != nil {
			return err
		}
		for _, at := range []*metav1.MicroTime{lease.Spec.AcquireTime, lease.Spec.RenewTime} {
			if at != nil {
				at.Time = at.Add(by)
			}
		}
		if body, err = json.Marshal(lease); err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// held fails the test unless the Lease says a time that is wrong by so much, give
// or take a minute.
func (f *faulted) held(wrong time.Duration) {
	f.t.Helper()
	leases, err := shared.typed.CoordinationV1().Leases(f.name).List(f.t.Context(), metav1.ListOptions{})
	f.must(err)
	if len(leases.Items) != 1 {
		f.t.Fatalf("%d Leases, want 1", len(leases.Items))
	}
	off := time.Until(leases.Items[0].Spec.RenewTime.Time)
	if (off - wrong).Abs() > time.Minute {
		f.t.Fatalf("the Lease's time is off by %s, want %s", off, wrong)
	}
	f.shows("renewTime is off by %s", off.Round(time.Second))
}
