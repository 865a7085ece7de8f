package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// scheduled is a golden case with a schedule.
func scheduled(t *testing.T, name string) plan.Input {
	t.Helper()
	in := load(t, name)
	in.Options.PolicyErrors = result.PolicyErrorsWarn
	trigger := &spec.Trigger{Schedule: new("0 2 * * *")}
	document := *in.Document
	if m := in.Document.Maintenance; m != nil {
		upkeep := *m
		upkeep.Spec.Trigger = trigger
		document.Maintenance = &upkeep
	} else {
		source := *in.Document.Source
		source.Spec.Trigger = trigger
		document.Source = &source
	}
	in.Document = &document
	return in
}

// objects are a schedule's objects, decoded strictly.
type objects struct {
	account corev1.ServiceAccount
	role    rbacv1.Role
	binding rbacv1.RoleBinding
	config  corev1.ConfigMap
	cron    batchv1.CronJob
}

func decoded(t *testing.T, s plan.Schedule) objects {
	t.Helper()
	var o objects
	into := []any{&o.account, &o.role, &o.binding, &o.config, &o.cron}
	if len(s.Objects) != len(into) {
		t.Fatalf("%d objects, findings %v", len(s.Objects), s.Findings)
	}
	for i, object := range s.Objects {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object, into[i], true); err != nil {
			t.Fatal(err)
		}
		if refs := object.Refs(); len(refs) > 0 {
			t.Errorf("%s has holes: %v", object.Name(), refs)
		}
	}
	return o
}

func TestGoldenSchedules(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"snapshot", "hooks-direct", "maintenance"} {
		var text bytes.Buffer
		s, _ := plan.BuildSchedule(scheduled(t, name), plan.ScheduleOptions{})
		for _, object := range s.Objects {
			data, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "---\n%s", data)
		}
		golden(t, filepath.Join(goldenDir, name, "schedule.yaml"), text.Bytes())
	}
}

// TestEveryPlannedCaseHasItsSchedule: whatever a run could do, its CronJob can be made,
// the same each time, and no secret gets into it.
func TestEveryPlannedCaseHasItsSchedule(t *testing.T) {
	t.Parallel()
	made := 0
	for _, name := range goldenCases(t) {
		in := scheduled(t, name)
		if in.Env.Local != nil {
			continue
		}
		in.Options.Scheduled = true
		planned, _ := build(in)
		s, findings := plan.BuildSchedule(in, plan.ScheduleOptions{})
		if len(planned.Steps) > 0 != (len(s.Objects) > 0) && !known(name) {
			t.Errorf("%s: %d steps of a run and %d objects of its schedule: %v", name, len(planned.Steps), len(s.Objects), findings)
		}
		if len(s.Objects) == 0 {
			continue
		}
		made++
		again, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		other, _ := json.Marshal(again)
		if !bytes.Equal(data, other) {
			t.Errorf("%s: the same input gives other objects", name)
		}
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("%s: the schedule holds a secret", name)
		}
		o := decoded(t, s)
		for _, n := range []string{o.account.Name, o.role.Name, o.binding.Name, o.config.Name, o.cron.Name} {
			if n != o.cron.Name || len(n) > 52 || len(validation.IsDNS1123Label(n)) > 0 {
				t.Errorf("%s: the name %q beside %q", name, n, o.cron.Name)
			}
		}
	}
	if made < 20 {
		t.Errorf("only %d schedules were made", made)
	}
}

// known are the cases in which a schedule differs from a run at once: what refuses the
// run, or skips it, may be over when the next one starts, which does not detach.
func known(name string) bool {
	return slices.Contains([]string{"operator-present", "paused-refused", "paused-scheduled", "retain-class", "refused", "hooks-refused", "maintenance-operator", "maintenance-disabled-scheduled"}, name)
}

func TestTheScheduledRunNeedsNothingOutsideItsNamespace(t *testing.T) {
	t.Parallel()
	s, _ := plan.BuildSchedule(scheduled(t, "snapshot"), plan.ScheduleOptions{})
	o := decoded(t, s)
	planned, _ := plan.BuildBackup(scheduled(t, "snapshot"))
	for _, need := range planned.Needs {
		got := ruleFor(o.role.Rules, need.Group, need.Resource)
		if need.ClusterScoped {
			if got != nil && need.Resource != "namespaces" { // its own only, as is seen below
				t.Errorf("the Role has a rule outside its namespace: %v", got)
			}
			continue
		}
		if diff := cmp.Diff(need.Verbs, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("%s (-what a run uses +Role):\n%s", need.Resource, diff)
		}
	}
	for _, rule := range o.role.Rules {
		if strings.Contains(rule.Resources[0], "secrets") || slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
			t.Errorf("%v", rule)
		}
	}
	if diff := cmp.Diff([]string{"patch"}, ruleFor(o.role.Rules, plan.GroupVolSync, "replicationsources/status")); diff != "" {
		t.Errorf("a source that is applied later cannot be told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"prod"}, Verbs: []string{"get"}},
		o.role.Rules[len(o.role.Rules)-1]); diff != "" {
		t.Errorf("its own namespace (-want +got):\n%s", diff)
	}
	if o.binding.RoleRef.Name != o.role.Name || o.binding.Subjects[0].Name != o.account.Name || o.cron.Spec.JobTemplate.Spec.Template.Spec.ServiceAccountName != o.account.Name {
		t.Errorf("the pod does not have the Role: %+v", o.binding)
	}
}

// TestTheConfigMapSaysWhatTheRunIs: what the driver reads there is the source, and the
// facts that it may not ask for.
func TestTheConfigMapSaysWhatTheRunIs(t *testing.T) {
	t.Parallel()
	in := scheduled(t, "hooks-direct")
	in.Document.Source.Metadata.UID = "aaaa"
	in.Document.Source.Metadata.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "x", "mine": "y"}
	in.Options.Exec = spec.Hooks{In: "deploy/wiki", Before: "echo $(date)", Timeout: "1m"}
	s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{TimeZone: "Europe/Berlin"})
	data := decoded(t, s).config.Data
	set, problems := spec.Parse([]spec.Input{{Name: "m.yaml", Data: []byte(data[plan.ScheduleManifest])}}, spec.Options{})
	if len(problems) > 0 || len(set.Documents) != 1 {
		t.Fatalf("%v\n%s", problems, data[plan.ScheduleManifest])
	}
	source := set.Documents[0].Source
	if diff := cmp.Diff(in.Document.Source.Spec, source.Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the spec (-given +kept):\n%s", diff)
	}
	if source.Metadata.UID != "" || source.Metadata.Namespace == "" || source.Metadata.Annotations["mine"] != "y" || len(source.Metadata.Annotations) != 4 {
		t.Errorf("%+v", source.Metadata)
	}
	if diff := cmp.Diff(in.Options.Exec, spec.HooksOf(source.Metadata.Annotations)); diff != "" {
		t.Errorf("the hooks (-typed +kept):\n%s", diff)
	}
	facts, err := plan.ParseClassFacts([]byte(data[plan.ScheduleClassFacts]))
	if err != nil || facts.Namespace != "prod" || len(facts.StorageClasses) == 0 || len(facts.Volumes) == 0 {
		t.Errorf("%v: %+v", err, facts)
	}
	if _, err := plan.ParseClassFacts([]byte("apiVersion: volsync-kopia/v1\nkind: Facts\n")); err == nil {
		t.Error("other facts are taken for class facts")
	}
}

func TestTheDriversCommandLineSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	in := scheduled(t, "snapshot")
	in.Options.Prove, in.Options.Strict = result.ProveContent, true
	in.Options.Timeouts.Running = result.Duration(90 * time.Minute)
	in.Env.KopiaVersion = "0.21.1"
	s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{TimeZone: "Europe/Berlin"})
	pod := decoded(t, s).cron.Spec.JobTemplate.Spec.Template.Spec
	want := []string{
		"kubectl-volsync_kopia", "backup", "--filename=/run/volsync-kopia/schedule/manifest.yaml",
		"--class-facts=/run/volsync-kopia/schedule/class-facts.yaml", "--namespace=$(POD_NAMESPACE)", "--scheduled", "--time-zone=Europe/Berlin", "--policy-errors=warn",
		"--progress=plain", "--mover-image=" + in.Env.Image, "--kopia-version=0.21.1", "--prove=content", "--strict=true", "--timeout=1h30m0s",
	}
	if diff := cmp.Diff(want, pod.Containers[0].Command); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mount := pod.Containers[0].VolumeMounts[0]
	if mount.MountPath != "/run/volsync-kopia/schedule" || mount.SubPath != "" || !mount.ReadOnly {
		t.Errorf("a change of the ConfigMap does not reach the next run: %+v", mount)
	}
	grace := func() time.Duration {
		s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
		return time.Duration(*decoded(t, s).cron.Spec.JobTemplate.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	}
	usual := grace()
	if least := time.Duration(in.Options.Timeouts.CancelGrace + 2*in.Options.Timeouts.Removed); usual <= least {
		t.Errorf("a driver that is stopped has %s, and its mover and the copy take up to %s", usual, least)
	}
	if in.Options.Timeouts.Removed = 0; grace() < usual {
		t.Errorf("a driver that may wait without a limit has %s, and one with the default %s", grace(), usual)
	}
}

func TestScheduleFindings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		is       string
		change   func(*plan.Input)
		zone     string
		severity problem.Severity
		want     string
		objects  bool
	}{
		"no trigger":           {"snapshot", func(in *plan.Input) { in.Document.Source.Spec.Trigger = nil }, "", problem.Error, "VK550", false},
		"manual only":          {"snapshot", func(in *plan.Input) { in.Document.Source.Spec.Trigger = &spec.Trigger{Manual: "x"} }, "", problem.Error, "VK550", false},
		"no such zone":         {"snapshot", nil, "Mars/Olympus", problem.Error, "VK551", false},
		"the machine's zone":   {"snapshot", nil, "Local", problem.Error, "VK551", false},
		"paused":               {"paused-refused", nil, "", problem.Warning, "VK552", true},
		"an operator for now":  {"operator-present", nil, "", problem.Warning, "VK515", true},
		"a class that retains": {"retain-class", func(in *plan.Input) { in.Facts.Rights = nil }, "", problem.Warning, "VK519", true},
		"classes that may not be read": {"snapshot", func(in *plan.Input) {
			in.Facts.Unknown = append(in.Facts.Unknown, plan.Unknown{Fact: plan.FactStorageClasses, Reason: "forbidden"})
		}, "", problem.Warning, "VK554", true},
		"no image": {"snapshot", func(in *plan.Input) { in.Env.Image = "" }, "", problem.Error, "VK524", false},
		"no claim": {"snapshot", func(in *plan.Input) { in.Facts.Claims = nil }, "", problem.Error, "VK501", false},
		"too large": {"snapshot", func(in *plan.Input) {
			in.Document.Source.Metadata.Annotations = map[string]string{"x": strings.Repeat("y", 1<<20)}
		}, "", problem.Error, "VK553", false},
	} {
		in := scheduled(t, c.is)
		if c.change != nil {
			c.change(&in)
		}
		s, findings := plan.BuildSchedule(in, plan.ScheduleOptions{TimeZone: c.zone})
		if codes := codesOf(findings, c.severity); !slices.Contains(codes, c.want) {
			t.Errorf("%s: %s %v, want %s: %v", name, c.severity, codes, c.want, findings)
		}
		if got := len(s.Objects) > 0; got != c.objects {
			t.Errorf("%s: %d objects: %v", name, len(s.Objects), []problem.Problem(findings))
		}
	}
}

// TestWhoMakesTheScheduleMakesNoDifference where the same facts are unknown to two, in
// whichever order and words they were told.
func TestWhoMakesTheScheduleMakesNoDifference(t *testing.T) {
	t.Parallel()
	var made []plan.Schedule
	for _, unknown := range [][]plan.Unknown{
		{{Fact: plan.FactStorageClasses, Reason: "jane may not"}, {Fact: plan.FactVolumes, Reason: "jane may not"}, {Fact: plan.FactQuotas, Reason: "-"}},
		{{Fact: plan.FactVolumes, Reason: "joe may not"}, {Fact: plan.FactStorageClasses, Reason: "joe may not"}},
	} {
		in := scheduled(t, "snapshot")
		in.Facts.Unknown = unknown
		s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
		made = append(made, s)
	}
	if diff := cmp.Diff(made[0].Objects, made[1].Objects); diff != "" || len(made[0].Objects) == 0 {
		t.Errorf("(-jane +joe):\n%s", diff)
	}
	warned := slices.DeleteFunc(slices.Clone(made[0].Findings), func(p problem.Problem) bool { return p.Code != "VK554" })
	if len(warned) != 1 || !strings.Contains(warned[0].Message, "storageClasses, volumes (jane may not; jane may not)") {
		t.Errorf("%v", warned)
	}
}

// TestAManualTriggerSaysNothingToASchedule that the source has, too.
func TestAManualTriggerSaysNothingToASchedule(t *testing.T) {
	t.Parallel()
	in := load(t, "manual-served")
	if p, _ := plan.BuildBackup(in); p.Skip == nil {
		t.Fatal("the case is not skipped")
	}
	in.Options.Scheduled = true
	if p, _ := plan.BuildBackup(in); p.Skip != nil {
		t.Errorf("a scheduled run is skipped: %+v", p.Skip)
	}
}

// TestTheScheduleOfAMaintenance runs it by the schedule in force, with what it says of its
// Jobs and with no right that only a backup needs.
func TestTheScheduleOfAMaintenance(t *testing.T) {
	t.Parallel()
	in := scheduled(t, "maintenance")
	maintenance := *in.Document.Maintenance
	maintenance.Spec.Trigger, maintenance.Spec.FailedJobsHistoryLimit = nil, new(int32(4))
	maintenance.Metadata.UID = "aaaa"
	in.Document = &spec.Document{Maintenance: &maintenance}
	in.Options.Prove, in.Options.Timeouts.Running = result.ProveContent, result.Duration(time.Hour)
	s, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
	o := decoded(t, s)
	if o.cron.Spec.Schedule != spec.DefaultMaintenanceSchedule || *o.cron.Spec.FailedJobsHistoryLimit != 4 || *o.cron.Spec.SuccessfulJobsHistoryLimit != 3 {
		t.Errorf("%+v", o.cron.Spec)
	}
	command := o.cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Command
	if command[1] != "maintenance" || slices.Contains(command, "--prove=content") || !slices.Contains(command, "--timeout=1h0m0s") {
		t.Errorf("%q", command)
	}
	if ruleFor(o.role.Rules, plan.GroupVolSync, "kopiamaintenances/status") == nil || ruleFor(o.role.Rules, plan.GroupSnapshot, "volumesnapshots") != nil {
		t.Errorf("%v", o.role.Rules)
	}
	set, problems := spec.Parse([]spec.Input{{Name: "m.yaml", Data: []byte(o.config.Data[plan.ScheduleManifest])}}, spec.Options{})
	if problems.HasErrors() || len(set.Documents) != 1 || set.Documents[0].Maintenance == nil || set.Documents[0].Metadata().UID != "" {
		t.Fatalf("%v\n%s", problems, o.config.Data[plan.ScheduleManifest])
	}
	if diff := cmp.Diff(maintenance.Spec, set.Documents[0].Maintenance.Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the spec (-given +kept):\n%s", diff)
	}
	in.Options.Timeouts.Running = 0
	unlimited, _ := plan.BuildSchedule(in, plan.ScheduleOptions{})
	command = decoded(t, unlimited).cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Command
	if slices.ContainsFunc(command, func(a string) bool { return strings.HasPrefix(a, "--timeout") }) {
		t.Errorf("the mover's own deadline bounds the whole run: %q", command)
	}
	in.Document = &spec.Document{Maintenance: &spec.KopiaMaintenance{Metadata: maintenance.Metadata, Spec: spec.KopiaMaintenanceSpec{
		Repository: maintenance.Spec.Repository, Trigger: &spec.Trigger{Manual: "once"},
	}}}
	if _, findings := plan.BuildSchedule(in, plan.ScheduleOptions{}); !slices.Contains(codesOf(findings, problem.Error), "VK550") {
		t.Errorf("%v", findings)
	}
}

// TestTheJobKnowsTheTimeZone in which its source's next run is due.
func TestTheJobKnowsTheTimeZone(t *testing.T) {
	t.Parallel()
	in := scheduled(t, "snapshot")
	in.Options.Scheduled, in.Options.TimeZone = true, "Europe/Berlin"
	p, _ := plan.BuildBackup(in)
	if got := jobOf(t, p).Annotations[plan.AnnotationScheduled]; got != "CRON_TZ=Europe/Berlin 0 2 * * *" {
		t.Errorf("%q", got)
	}
}
