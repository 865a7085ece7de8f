package mover_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// maintained is a world whose task is to maintain the repository.
func maintained(w *world) *world {
	w.task.Operation, w.task.Backup, w.task.Maintenance = result.OperationMaintenance, nil, &result.MaintenanceTask{}
	w.task.Object = result.ObjectRef{Kind: "KopiaMaintenance", Namespace: "prod", Name: "upkeep"}
	w.task.Identity = result.Identity{Username: "maintenance", Hostname: "volsync"}
	w.task.Repository.Create = ""
	return w
}

// recorded is what bare kopia says of the maintenance.
type recorded struct {
	Owner    string
	Schedule struct {
		NextFullMaintenance time.Time
		Runs                map[string][]struct {
			Success bool
		}
	}
}

func (w *world) record(t *testing.T) recorded {
	t.Helper()
	var r recorded
	if err := json.Unmarshal([]byte(w.repo.Run(t, "maintenance", "info", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// cycles are the names of those on record, once for each time that they succeeded.
func (r recorded) cycles() []string {
	var names []string
	for name, runs := range r.Schedule.Runs {
		for _, run := range runs {
			if run.Success {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func cycleNames(cycles []result.MaintenanceCycle) []string {
	var names []string
	for _, c := range cycles {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

func TestTruthTableOfMaintenance(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, row := range slices.Concat(maintenanceRows(), silentMaintenanceRows(), stoppedMaintenanceRows(), brokenMaintenanceRows()) {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				row.cause(t, maintained(newWorld(t, kopia)))
			})
		}
	})
}

func runs(t *testing.T, w *world) outcome {
	t.Helper()
	return w.run(t)
}

func maintenanceRows() []truthRow {
	return []truthRow{
		{"the first maintenance of a repository", runs, result.Succeeded, 0, "", -1, func(t *testing.T, w *world, o outcome) {
			now, m := w.record(t), o.Maintenance
			if diff := cmp.Diff(now.cycles(), cycleNames(m.Cycles)); diff != "" || len(m.Cycles) < 2 {
				t.Errorf("(-on record +in the Result)\n%s", diff)
			}
			if m.Cycles[0].Name != "snapshot-gc" || m.Cycles[len(m.Cycles)-1].Name != "cleanup-logs" {
				t.Errorf("the cycles are %v", m.Cycles)
			}
			if m.Owner != "maintenance@volsync" || m.PreviousOwner != "" || m.NextFull == nil || !m.NextFull.Equal(now.Schedule.NextFullMaintenance) {
				t.Errorf("the report is %+v, on record is %+v", m, now)
			}
			if o.KopiaProcesses != 3 || o.Cache == nil || o.Cache.UsedBytes == 0 || o.Repository.UniqueID == "" {
				t.Errorf("%d processes, cache %+v, repository %+v", o.KopiaProcesses, o.Cache, o.Repository)
			}
			if !strings.Contains(o.Message, "maintenance of the filesystem repository proved: ") || !strings.HasSuffix(o.Message, "due "+m.NextFull.Format(time.RFC3339)) {
				t.Errorf("message %q", o.Message)
			}
		}},
		{"of a second one only its own cycles are told", func(t *testing.T, w *world) outcome {
			w.run(t).want(t, result.Succeeded, 0, "")
			return w.run(t)
		}, result.Succeeded, 0, "", -1, func(t *testing.T, w *world, o outcome) {
			own, all := cycleNames(o.Maintenance.Cycles), w.record(t).cycles()
			if slices.Contains(own, "full-rewrite-contents") || len(slices.Compact(slices.Clone(own))) != len(own) || len(all) != 2*len(own)+1 {
				t.Errorf("in the Result %v, on record %v", own, all)
			}
			if o.KopiaProcesses != 3 {
				t.Errorf("%d processes", o.KopiaProcesses)
			}
		}},
		{"the repository's own schedule is turned off", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "maintenance", "set", "--enable-full=false", "--enable-quick=false")
			return w.run(t)
		}, result.Succeeded, 0, "", -1, func(t *testing.T, _ *world, o outcome) {
			if o.Maintenance.NextFull != nil || !strings.HasSuffix(o.Message, "turned off") {
				t.Errorf("next %v, message %q", o.Maintenance.NextFull, o.Message)
			}
		}},
		{"what a deleted snapshot leaves is found, and is too young to go", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "snapshot", "create", w.data)
			w.repo.Run(t, "snapshot", "delete", w.repo.Snapshots(t)[0].ID, "--delete")
			return w.run(t)
		}, result.Succeeded, 0, "", 0, func(t *testing.T, _ *world, o outcome) {
			if strings.Contains(o.log, "kopia: GC found 0 unused contents that are too recent") || !strings.Contains(o.log, "unused contents that are too recent to delete") {
				t.Errorf("kopia found nothing:\n%s", o.log)
			}
		}},
		{"the owner is another", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "maintenance", "set", "--owner=admin@desk")
			return refusedUntouched(t, w)
		}, result.Refused, 5, "NotOwner", -1, func(t *testing.T, _ *world, o outcome) {
			if o.Maintenance.Owner != "admin@desk" || o.KopiaProcesses != 1 {
				t.Errorf("%d processes, %+v", o.KopiaProcesses, o.Maintenance)
			}
			for _, want := range []string{"admin@desk", "maintenance@volsync", "--take-ownership"} {
				if !strings.Contains(o.Hint, want) {
					t.Errorf("the hint lacks %q: %s", want, o.Hint)
				}
			}
		}},
		{"what says who the owner is has gone", func(t *testing.T, w *world) outcome {
			remove(t, w.repo.Blobs(t, "x"))
			return refusedUntouched(t, w)
		}, result.Refused, 5, "NotOwner", -1, func(t *testing.T, _ *world, o outcome) {
			if !strings.Contains(o.Message, "belongs to nobody") || !strings.Contains(o.Hint, "kopia snapshot list --all") {
				t.Errorf("message %q, hint %q", o.Message, o.Hint)
			}
		}},
		{"the owner is another, and the ownership is taken", func(t *testing.T, w *world) outcome {
			w.repo.Run(t, "maintenance", "set", "--owner=admin@desk")
			w.task.Maintenance.TakeOwnership = true
			return w.run(t)
		}, result.Succeeded, 0, "", -1, func(t *testing.T, w *world, o outcome) {
			if m := o.Maintenance; m.Owner != "maintenance@volsync" || m.PreviousOwner != "admin@desk" || w.record(t).Owner != m.Owner || o.KopiaProcesses != 4 {
				t.Errorf("%d processes, %+v", o.KopiaProcesses, m)
			}
			if !strings.Contains(o.log, "over from admin@desk: its owner is maintenance@volsync now") {
				t.Errorf("the log does not say it:\n%s", o.log)
			}
		}},
		{"the ownership need not be taken", func(t *testing.T, w *world) outcome {
			w.task.Maintenance.TakeOwnership = true
			return w.run(t)
		}, result.Succeeded, 0, "", -1, func(t *testing.T, _ *world, o outcome) {
			if o.Maintenance.PreviousOwner != "" || o.KopiaProcesses != 3 {
				t.Errorf("%d processes, %+v", o.KopiaProcesses, o.Maintenance)
			}
		}},
	}
}

// refusedUntouched runs the mover and checks that the repository is as it was.
func refusedUntouched(t *testing.T, w *world) outcome {
	t.Helper()
	before := content(t, w.repo.Dir)
	o := w.run(t)
	if diff := cmp.Diff(before, content(t, w.repo.Dir)); diff != "" {
		t.Errorf("the repository has changed (-before +now):\n%s", diff)
	}
	return o
}

func remove(t *testing.T, files []string) {
	t.Helper()
	if len(files) == 0 {
		t.Fatal("there is nothing to remove")
	}
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// The owner that the Secret names is the one, whatever the plan says.
func TestTheSecretNamesWhoMaintains(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for value, owner := range map[string]string{"keeper\n": "keeper@volsync", "keeper@elsewhere": "keeper@elsewhere"} {
		t.Run(owner, func(t *testing.T) {
			t.Parallel()
			w := maintained(newWorld(t, kopia))
			w.secret(t, "KOPIA_OVERRIDE_MAINTENANCE_USERNAME", value)
			o := refusedUntouched(t, w)
			o.want(t, result.Refused, 5, "NotOwner")
			if !strings.Contains(o.Hint, owner) || o.Identity.String() != owner {
				t.Errorf("identity %s, hint %q", o.Identity, o.Hint)
			}
			w.repo.Run(t, "maintenance", "set", "--owner="+owner)
			w.run(t).want(t, result.Succeeded, 0, "")
		})
	}
	t.Run("a name that is none", func(t *testing.T) {
		t.Parallel()
		w := maintained(newWorld(t, kopia))
		w.secret(t, "KOPIA_OVERRIDE_MAINTENANCE_USERNAME", "a@b@c")
		o := w.run(t)
		o.want(t, result.Refused, 5, "RepositorySecret")
		if o.KopiaProcesses != 0 || !strings.Contains(o.Hint, "maintenance@volsync") {
			t.Errorf("%d processes, hint %q", o.KopiaProcesses, o.Hint)
		}
	})
}

// Who holds the repository of the unique id decides whether it is maintained, and has it
// until kopia has ended and the record is read back.
func TestOneMaintenanceOfARepositoryAtATime(t *testing.T) {
	t.Parallel()
	w, held := maintained(newWorld(t, kopiatest.Kopia(t))), 0
	w.options.HoldMaintenance = func(string) (func(), error) {
		return nil, fault.New(fault.Refused, "another one is under way").WithHint("wait")
	}
	o := refusedUntouched(t, w)
	o.want(t, result.Refused, 5, "MaintenanceUnderWay")
	if o.Hint != "wait" || o.KopiaProcesses != 1 {
		t.Errorf("%d processes, hint %q", o.KopiaProcesses, o.Hint)
	}
	var id string
	w.options.HoldMaintenance = func(uniqueID string) (func(), error) {
		id = uniqueID
		return func() { held = len(w.record(t).cycles()) }, nil
	}
	o = w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if id == "" || id != o.Repository.UniqueID || held == 0 {
		t.Errorf("held as %q, the repository is %q; let go with %d cycles on record", id, o.Repository.UniqueID, held)
	}
}

func silentMaintenanceRows() []truthRow {
	quick := `*"maintenance run"*) for a; do shift; [ "$a" = --full ] || set -- "$@" "$a"; done;; esac`
	return []truthRow{
		{"another process has kopia's lock: it does nothing and ends with 0", func(t *testing.T, w *world) outcome {
			if err := os.MkdirAll(w.task.WorkDir, 0o700); err != nil {
				t.Fatal(err)
			}
			lock := flock.New(filepath.Join(w.task.WorkDir, "kopia.config.mlock"))
			if held, err := lock.TryLock(); err != nil || !held {
				t.Fatalf("lock: %v, %v", held, err)
			}
			defer func() { _ = lock.Unlock() }()
			return w.run(t)
		}, result.Failed, 1, "MaintenanceNotRecorded", -1, func(t *testing.T, w *world, o outcome) {
			if len(o.Maintenance.Cycles) != 0 || len(w.record(t).cycles()) != 0 {
				t.Errorf("cycles %v", o.Maintenance.Cycles)
			}
		}},
		{"an earlier maintenance does not stand for one that did nothing", func(t *testing.T, w *world) outcome {
			w.run(t).want(t, result.Succeeded, 0, "")
			w.shim(t, `case "$*" in *"maintenance run"*) exit 0;; esac`)
			return w.run(t)
		}, result.Failed, 1, "MaintenanceNotRecorded", -1, nil},
		{"another client maintains while kopia does nothing", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@" 2>/dev/null; exit;; esac`)
			return w.run(t)
		}, result.Failed, 1, "MaintenanceNotDone", -1, func(t *testing.T, w *world, o outcome) {
			if len(w.record(t).cycles()) == 0 || !strings.Contains(o.Message, "snapshot-gc") {
				t.Errorf("on record %v, message %q", w.record(t).cycles(), o.Message)
			}
		}},
		{"another client maintains while kopia does", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@" 2>/dev/null || exit; exec "$KOPIA" "$@";; esac`)
			return w.run(t)
		}, result.Failed, 1, "AnotherMaintenance", -1, func(t *testing.T, _ *world, o outcome) {
			if !strings.Contains(o.Message, "another client") || !strings.Contains(o.Message, "snapshot-gc") || !strings.Contains(o.Hint, "run it again") {
				t.Errorf("message %q, hint %q", o.Message, o.Hint)
			}
		}},
		{"kopia did less than a full maintenance", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in `+quick)
			return w.run(t)
		}, result.Failed, 1, "MaintenanceNotDone", -1, func(t *testing.T, _ *world, o outcome) {
			if len(o.Maintenance.Cycles) == 0 {
				t.Errorf("message %q, cycles %v", o.Message, o.Maintenance.Cycles)
			}
		}},
		{"kopia says that it has done more than is on record", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) echo "Finished full maintenance." >&2;; esac; case "$*" in `+quick)
			return w.run(t)
		}, result.Failed, 1, "MaintenanceIncomplete", -1, func(t *testing.T, _ *world, o outcome) {
			if !strings.Contains(o.Message, "snapshot-gc") || len(o.Maintenance.Cycles) == 0 {
				t.Errorf("message %q, cycles %v", o.Message, o.Maintenance.Cycles)
			}
		}},
		{"somebody takes it over meanwhile", func(t *testing.T, w *world) outcome {
			w.shim(t, `case "$*" in *"maintenance run"*) "$KOPIA" "$@" || exit; for a; do case "$a" in --config-file=*) config=$a;; esac; done
"$KOPIA" maintenance set --owner=admin@desk "$config" --no-auto-maintenance; exit;; esac`)
			return w.run(t)
		}, result.Failed, 1, "OwnerChanged", -1, func(t *testing.T, _ *world, o outcome) {
			if o.Maintenance.Owner != "admin@desk" || len(o.Maintenance.Cycles) == 0 {
				t.Errorf("%+v", o.Maintenance)
			}
		}},
	}
}
