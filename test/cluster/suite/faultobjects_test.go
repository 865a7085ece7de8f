package suite

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// objectFaults are those of what the namespace must have and allow.
func objectFaults() []faultRow {
	return []faultRow{
		{
			name: "Secret missing", given: func(f *faulted) { f.removeSecret() },
			meet: backsAndShows("events", `secret \\"kopia-config\\" not found`),
			mend: func(f *faulted) {
				f.secretWith("KOPIA_PASSWORD", password, "KOPIA_REPOSITORY", "filesystem:///kopia/repository")
				f.rests()
			},
			code: 1, says: `secret "kopia-config" not found`,
		},
		{
			name: "Secret missing a key",
			given: func(f *faulted) {
				f.removeSecret()
				f.secretWith("KOPIA_REPOSITORY", "filesystem:///kopia/repository")
			},
			meet: func(f *faulted) ended {
				s, err := shared.typed.CoreV1().Secrets(f.name).Get(f.t.Context(), "kopia-config", metav1.GetOptions{})
				f.must(err)
				if _, has := s.Data["KOPIA_PASSWORD"]; has || len(s.Data) != 1 {
					f.t.Fatalf("the Secret has %d keys", len(s.Data))
				}
				f.shows("the Secret has one key, KOPIA_REPOSITORY")
				return f.backs()
			},
			mend: func(f *faulted) { f.secretIs("KOPIA_PASSWORD", password) },
			code: 5, says: `KOPIA_PASSWORD`,
		},
		{
			name: "wrong password", given: func(f *faulted) { f.backup(0, "--keep-job=0") },
			meet: func(f *faulted) ended {
				f.secretIs("KOPIA_PASSWORD", "another")
				_, said, code := f.client().Try(f.t, "snapshot", "list")
				if code != 0 {
					f.t.Fatalf("the right password does not open the repository: %s", said)
				}
				f.shows("the Secret's password is not the repository's")
				return f.backs()
			},
			mend: func(f *faulted) { f.secretIs("KOPIA_PASSWORD", password) },
			code: 7, says: `(?i)password`,
		},
		{
			name: "quota used up", given: func(f *faulted) { f.quota("persistentvolumeclaims", "2") },
			meet: func(f *faulted) ended {
				f.refuses("exceeded quota")
				return f.backs()
			},
			mend: func(f *faulted) { f.removeQuota() },
			code: 5, says: `ResourceQuota "full" allows 2 of persistentvolumeclaims`,
		},
		{
			name: "quota of objects set while the run begins",
			meet: func(f *faulted) ended { return f.quotaAt("POST jobs", "count/jobs.batch", "exceeded quota") },
			mend: func(f *faulted) { f.removeQuota() },
			code: 5, says: `exceeded quota: full`,
		},
		{
			name: "quota of pods set while the run begins",
			meet: func(f *faulted) ended {
				end := f.quotaAt("PATCH jobs", "pods", "")
				f.happened("events", `"message":"Error creating: pods .{0,150}exceeded quota: full`)
				return end
			},
			mend: func(f *faulted) { f.removeQuota() },
			code: 1, says: `pod cannot be made.*exceeded quota: full`,
		},
	}
}

// removeSecret deletes the repository's Secret.
func (f *faulted) removeSecret() {
	f.t.Helper()
	f.must(shared.typed.CoreV1().Secrets(f.name).Delete(f.t.Context(), "kopia-config", metav1.DeleteOptions{}))
}

// secretWith makes the repository's Secret of these keys and values.
func (f *faulted) secretWith(pairs ...string) {
	f.t.Helper()
	data := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	f.secret("kopia-config", data)
}

// quota makes a ResourceQuota, and waits until the API server enforces it.
func (f *faulted) quota(name corev1.ResourceName, hard string) {
	f.t.Helper()
	if err := f.makeQuota(name, hard); err != nil {
		f.t.Fatal(err)
	}
}

func (f *faulted) makeQuota(name corev1.ResourceName, hard string) error {
	quotas, ctx := shared.typed.CoreV1().ResourceQuotas(f.name), contextOf(f.t)
	q, err := quotas.Create(ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "full"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{name: resource.MustParse(hard)}},
	}, metav1.CreateOptions{})
	for began := time.Now(); err == nil && len(q.Status.Used) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			return errors.New("nobody has counted what the ResourceQuota is for")
		}
		q, err = quotas.Get(ctx, "full", metav1.GetOptions{})
	}
	return err
}

func (f *faulted) removeQuota() {
	f.t.Helper()
	f.must(shared.typed.CoreV1().ResourceQuotas(f.name).Delete(f.t.Context(), "full", metav1.DeleteOptions{}))
}

// refuses fails the test unless the API server refuses a claim, in these words.
func (f *faulted) refuses(words string) {
	f.t.Helper()
	_, err := shared.typed.CoreV1().PersistentVolumeClaims(f.name).Create(f.t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "one-more"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
		f.t.Fatalf("one more claim is not refused: %v", err)
	}
	f.shows("%v", err)
}

// quotaAt runs a backup, and sets a quota of none just before its first request
// of the name.
func (f *faulted) quotaAt(request string, name corev1.ResourceName, said string) ended {
	f.t.Helper()
	p := newProxy(f.t)
	var once sync.Once
	failed := errors.New("no " + request + " was seen")
	p.spoil = func(_ http.ResponseWriter, _ *http.Request, change int) bool {
		if change > 0 && p.seen()[change-1] == request {
			once.Do(func() { failed = f.makeQuota(name, "0") })
		}
		return false
	}
	ended := f.begins(p.kubeconfig).wait()
	f.must(failed)
	f.shows("quota 0 of %s before %s", name, request)
	if said != "" && !strings.Contains(ended.stderr, said) {
		f.t.Fatalf("the quota did not bite:\n%s", ended.stderr)
	}
	return ended
}
