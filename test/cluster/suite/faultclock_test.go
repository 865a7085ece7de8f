package suite

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// clockFaults are commands on machines whose clocks differ.
func clockFaults() []faultRow {
	waits := map[string]string{csidriver.SnapshotReadyAfter: "25s"}
	return []faultRow{
		{
			name: "clock of a living holder 10 minutes ahead", snapshots: waits, mend: (*faulted).ordinary, leaves: true,
			meet: func(f *faulted) ended { return f.meetsHolder(10 * time.Minute) },
			code: 5, says: "another run of this source holds it.*just renewed",
		},
		{
			name: "clock of a living holder 10 minutes behind", snapshots: waits, mend: (*faulted).ordinary, leaves: true,
			meet: func(f *faulted) ended { return f.meetsHolder(-10 * time.Minute) },
			code: 5, says: "another run of this source holds it.*just renewed",
		},
		{
			name: "clock of a dead holder 10 minutes ahead", snapshots: waits,
			meet: func(f *faulted) ended {
				p := f.skewed(10 * time.Minute)
				f.must(p.cmd.Process.Kill())
				p.wait()
				f.held(10 * time.Minute)
				if !endedBy(p.cmd, syscall.SIGKILL) {
					f.t.Fatalf("the first command was not killed:\n%s", p.stderr)
				}
				f.ordinary()
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
	first := f.skewed(wrong)
	end := f.backs()
	f.held(wrong)
	f.lookAtOnce()
	if isDone(first) {
		f.t.Fatalf("the holder has ended too early:\n%s", first.stderr)
	}
	if held := first.wait(); held.code != 0 {
		f.t.Errorf("the holder ended with %d\n%s", held.code, held.stderr)
	}
	return end
}

// skewed starts a backup whose clock is wrong, and returns when it holds the
// Lease and waits for its snapshot.
func (f *faulted) skewed(wrong time.Duration) *running {
	f.t.Helper()
	p := newProxy(f.t)
	p.spoil = func(_ http.ResponseWriter, r *http.Request, change int) bool {
		if change > 0 && resourceOf(r.URL.Path) == "leases" {
			if err := skew(r, wrong); err != nil {
				f.t.Errorf("the time in a Lease was not moved: %v", err)
			}
		}
		return false
	}
	holder := f.begins(p.kubeconfig)
	f.happened("volumesnapshots", `"readyToUse":false`)
	return holder
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
