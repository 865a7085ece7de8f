package argv

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const common = "--config-file=/run/k/config --log-dir=/run/k/logs --disable-file-logging --no-auto-maintenance"

func vectors() map[string]struct {
	command string
	got     Command
	want    string
} {
	off := false
	p := Paths{ConfigFile: "/run/k/config", LogDir: "/run/k/logs"}
	return map[string]struct {
		command string
		got     Command
		want    string
	}{
		"export":         {CommandPolicyExport, PolicyExport(p), "policy export COMMON --no-progress"},
		"import":         {CommandPolicyImport, PolicyImport(p), "policy import COMMON --no-progress"},
		"create, plain":  {CommandRepositoryCreate, RepositoryCreate(p, CreateOptions{}), "repository create from-config COMMON --no-progress --token-stdin --no-persist-credentials --no-check-for-updates --disable-repository-format-cache --override-username=maintenance --override-hostname=volsync"},
		"create, chosen": {CommandRepositoryCreate, RepositoryCreate(p, CreateOptions{Hash: "H", Encryption: "E", Splitter: "S", ECC: "C", ECCOverheadPercent: 3, CacheDirectory: "/cache/x"}), "repository create from-config COMMON --no-progress --token-stdin --no-persist-credentials --no-check-for-updates --disable-repository-format-cache --override-username=maintenance --override-hostname=volsync --cache-directory=/cache/x --block-hash=H --encryption=E --object-splitter=S --ecc=C --ecc-overhead-percent=3"},
		"maintenance": {
			CommandMaintenanceSet, MaintenanceSet(p, MaintenanceOptions{QuickInterval: 2 * time.Hour, FullInterval: 48 * time.Hour, FullEnabled: &off}),
			"maintenance set COMMON --no-progress --quick-interval=2h0m0s --enable-full=false --full-interval=48h0m0s",
		},
		"maintenance info":                              {CommandMaintenanceInfo, MaintenanceInfo(p), "maintenance info COMMON --no-progress --json"},
		"maintenance run":                               {CommandMaintenanceRun, MaintenanceRun(p), "maintenance run COMMON --no-progress --full"},
		"maintenance owner":                             {CommandMaintenanceSet, MaintenanceOwner(p, "u@h"), "maintenance set COMMON --no-progress --owner=u@h"},
		"snapshot":                                      {CommandSnapshotCreate, SnapshotCreate(p, SnapshotOptions{Path: "/data", Tags: map[string]string{"b": "2", "a": "1"}, Progress: true, Extra: []string{"--parallel=4"}}), "snapshot create COMMON --json --progress --tags=a:1 --tags=b:2 --parallel=4 /data"},
		"snapshot, recorded under another name":         {CommandSnapshotCreate, SnapshotCreate(p, SnapshotOptions{Path: "/data/x", Source: "u@h:/x"}), "snapshot create COMMON --json --no-progress --override-source=u@h:/x /data/x"},
		"snapshot, the user's word on progress":         {CommandSnapshotCreate, SnapshotCreate(p, SnapshotOptions{Path: "/data", Progress: true, Extra: []string{"--no-progress"}}), "snapshot create COMMON --json --no-progress /data"},
		"snapshot of a directory that looks like flags": {CommandSnapshotCreate, SnapshotCreate(p, SnapshotOptions{Path: "--all"}), "snapshot create COMMON --json --no-progress ./--all"},
		"verify blobs":                                  {CommandSnapshotVerify, SnapshotVerify(p, "k1", result.ProveBlobs), "snapshot verify COMMON --no-progress --json k1"},
		"verify content":                                {CommandSnapshotVerify, SnapshotVerify(p, "k1", result.ProveContent), "snapshot verify COMMON --no-progress --json --verify-files-percent=100 k1"},
		"list of one source":                            {CommandSnapshotList, SnapshotList(p, "u@h:/data"), "snapshot list COMMON --no-progress --json --incomplete u@h:/data"},
		"list of all":                                   {CommandSnapshotList, SnapshotList(p, ""), "snapshot list COMMON --no-progress --json --incomplete --all"},
		"list of a snapshot's content":                  {CommandList, List(p, "k1"), "list COMMON --recursive --no-error-summary k1"},
		"restore":                                       {CommandSnapshotRestore, SnapshotRestore(p, RestoreOptions{Source: "k1/app", Target: "/restore/data", Progress: true, SkipOwners: true}), "snapshot restore COMMON --mode=local --progress --skip-owners k1/app /restore/data"},
		"restore to where it runs":                      {CommandSnapshotRestore, SnapshotRestore(p, RestoreOptions{Source: "k1"}), "snapshot restore COMMON --mode=local --no-progress k1 ."},
		"restore, owners said by users":                 {CommandSnapshotRestore, SnapshotRestore(p, RestoreOptions{Source: "k1", SkipOwners: true, Extra: []string{"--no-skip-owners", "--progress"}}), "snapshot restore COMMON --mode=local --no-skip-owners --progress k1 ."},
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for name, v := range vectors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.Fields(strings.ReplaceAll(v.want, "COMMON", common))
			if diff := cmp.Diff(want, v.got.Args); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, version := range Versions() {
				checkVector(t, TableFor(version), v.command, v.got.Args)
			}
		})
	}
}

// checkVector checks that a kopia version has every flag of a vector, and that
// none of them carries a secret.
func checkVector(t *testing.T, table *Table, command string, args []string) {
	t.Helper()
	for _, arg := range args {
		long, ok := strings.CutPrefix(arg, "--")
		if !ok {
			continue
		}
		name, _, valued := strings.Cut(long, "=")
		flag, known := table.Lookup(command, name)
		if !known {
			flag, known = table.Lookup(command, strings.TrimPrefix(name, "no-"))
		}
		if !known || valued == (flag.Kind == KindBool) {
			t.Errorf("kopia %s %s has no %s", table.Version, command, arg)
		}
		if valued && secretName.MatchString(name) {
			t.Errorf("%s may carry a secret", arg)
		}
	}
}
