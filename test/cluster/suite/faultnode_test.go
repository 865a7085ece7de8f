package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
)

// aloneVariable, when set, runs also the rows that a shared cluster's other users
// would feel.
const aloneVariable = "VK_SUITE_ALONE"

// nodeFaults are those of the node, its scheduling and its API server.
func nodeFaults() []faultRow {
	return []faultRow{
		{
			name: "node cordoned", alone: true,
			meet: func(f *faulted) ended {
				name := f.cordon()
				end := f.backs("--scheduled-timeout=5s")
				node, err := shared.typed.CoreV1().Nodes().Get(f.t.Context(), name, metav1.GetOptions{})
				f.must(err)
				if !node.Spec.Unschedulable {
					f.t.Fatal("the node is not cordoned")
				}
				f.happened("pods", `node\(s\) were unschedulable`)
				return end
			},
			mend: func(f *faulted) { f.uncordon() },
			code: 6, says: `last seen: .*unschedulable`,
		},
		{
			name: "API server restarted during the wait", alone: true, shape: slow("1MB"),
			given: func(f *faulted) { aloneOnly(f.t); f.random("big", 24) }, mend: (*faulted).hurry,
			meet: func(f *faulted) ended {
				p := f.begins(f.kubeconfig)
				f.uploading()
				f.restartAPIServer(3 * time.Second)
				return p.wait()
			},
			code: 0, says: "proved",
		},
		{
			name: "no node matches", shape: nowhere(),
			meet: func(f *faulted) ended {
				end := f.backs("--scheduled-timeout=5s")
				f.happened("pods", `didn't match Pod's node affinity`)
				return end
			},
			mend: func(f *faulted) { f.edit("no-such-label", "kubernetes.io/hostname") },
			code: 6, says: `last seen: .*affinity`,
		},
		{
			name: "no node matches, and nobody sets a limit", shape: nowhere(),
			meet: func(f *faulted) ended {
				end := f.backs()
				f.happened("pods", `didn't match Pod's node affinity`)
				return end
			},
			mend: func(f *faulted) { f.edit("no-such-label", "kubernetes.io/hostname") },
			code: 1, says: `no node takes the mover: .*affinity`,
		},
	}
}

// nowhere is a shape whose mover fits no node.
func nowhere() shape {
	return shape{Kopia: `    moverAffinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: ` +
		`{nodeSelectorTerms: [{matchExpressions: [{key: no-such-label, operator: Exists}]}]}}}` + "\n"}
}

// aloneOnly skips a row on a cluster that others use.
func aloneOnly(t testing.TB) {
	t.Helper()
	if os.Getenv("VK_CLUSTER_DIR") != "" && os.Getenv(aloneVariable) == "" {
		t.Skipf("others may use this cluster; set %s if nobody does", aloneVariable)
	}
}

// cordon makes the node unschedulable, and returns its name.
func (f *faulted) cordon() string {
	f.t.Helper()
	nodes, err := shared.typed.CoreV1().Nodes().List(f.t.Context(), metav1.ListOptions{})
	f.must(err)
	f.t.Cleanup(f.uncordon)
	f.schedules(nodes.Items[0].Name, false)
	return nodes.Items[0].Name
}

// uncordon ends what cordon did.
func (f *faulted) uncordon() {
	f.t.Helper()
	nodes, err := shared.typed.CoreV1().Nodes().List(contextOf(f.t), metav1.ListOptions{})
	f.must(err)
	f.schedules(nodes.Items[0].Name, true)
}

// schedules says whether pods may be put on the node.
func (f *faulted) schedules(node string, may bool) {
	f.t.Helper()
	_, err := shared.typed.CoreV1().Nodes().Patch(contextOf(f.t), node, types.MergePatchType,
		fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, !may), metav1.PatchOptions{})
	f.must(err)
}

// restartAPIServer kills the API server, and starts it again as it was after some
// time.
func (f *faulted) restartAPIServer(after time.Duration) {
	f.t.Helper()
	const name = "kube-apiserver"
	daemons := process.Group{Records: filepath.Join(shared.dir, "pids"), Logs: filepath.Join(shared.dir, "log")}
	old, err := daemons.Find(name)
	f.must(err)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", old.PID))
	f.must(err)
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", old.PID))
	f.must(err)
	daemons.Cgroup = procsOf(string(cgroup))
	f.must(process.Stop(f.t.Context(), old, 0))
	_, err = shared.typed.Discovery().ServerVersion()
	if err == nil || old.Alive() {
		f.t.Fatal("the API server still answers")
	}
	time.Sleep(after)
	now, err := daemons.Start(name, args[0], args[1:]...)
	f.must(err)
	ready := func() error {
		return shared.typed.Discovery().RESTClient().Get().AbsPath("/readyz").Do(f.t.Context()).Error()
	}
	for began := time.Now(); ready() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			f.t.Fatal("the API server is not ready after a minute")
		}
	}
	f.shows("process %d killed, %s later %d started", old.PID, after, now.PID)
}

// procsOf are the files that enter a process into the cgroups of another, as
// /proc/PID/cgroup names them, where they are the node's own.
func procsOf(cgroups string) []string {
	var files []string
	for _, line := range strings.Split(strings.TrimSpace(cgroups), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 || !strings.Contains(parts[2], "vk-test") {
			continue
		}
		files = append(files, filepath.Join("/sys/fs/cgroup", parts[1], parts[2], "cgroup.procs"))
	}
	return files
}
