package cmd

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// hourly is a source that a schedule can be made of, with the facts for that.
func hourly(t *testing.T) (source, facts string) {
	t.Helper()
	dir := t.TempDir()
	source, facts = filepath.Join(dir, "source.yaml"), filepath.Join(dir, "facts.yaml")
	kopiatest.Write(t, source, "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: app, namespace: prod}\n"+
		"spec:\n  sourcePVC: data\n  trigger: {schedule: \"@hourly\"}\n  kopia: {repository: vault, copyMethod: Direct}\n")
	kopiatest.Write(t, facts, "apiVersion: volsync-kopia/v1\nkind: Facts\nnamespace: {name: prod}\n"+
		"claims: [{name: data, volumeMode: Filesystem, accessModes: [ReadWriteOnce], capacity: 1Gi, phase: Bound}]\n")
	return source, facts
}

// driverOf is the command line of the CronJob that schedule prints.
func driverOf(t *testing.T, args ...string) []string {
	t.Helper()
	var out, stderr bytes.Buffer
	f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &stderr})
	if code := Main(t.Context(), f, append([]string{"schedule", "-o", "json"}, args...)); code != 0 {
		t.Fatalf("%v: exit %d\n%s%s", args, code, out.String(), stderr.String())
	}
	var list struct {
		Items []struct {
			Kind string
			Spec struct {
				JobTemplate struct {
					Spec struct {
						Template struct{ Spec corev1.PodSpec }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Kind == "CronJob" {
			return list.Items[i].Spec.JobTemplate.Spec.Template.Spec.Containers[0].Command
		}
	}
	t.Fatal("no CronJob")
	return nil
}

// TestEveryFlagOfAScheduleReachesItsRuns, but for those about what is read and printed now,
// and those of hooks, which the manifest carries: backup must know each, too.
func TestEveryFlagOfAScheduleReachesItsRuns(t *testing.T) {
	t.Parallel()
	source, facts := hourly(t)
	now := []string{
		"apply", "force-conflicts", "output", "facts", "use", "filename", "kustomize", "recursive", "envsubst", "help",
		"exec-in", "exec-before", "exec-after", "exec-timeout",
	}
	values := map[string]string{
		"prove": "content", "on-empty": "fail", "create-repository": "never", "policy-errors": "fail",
		"time-zone": "Asia/Kolkata", "kopia-version": "0.21.1", "mover-image": "registry.example/other:2",
	}
	root := NewRootCommand(NewFactory(genericiooptions.IOStreams{}))
	schedule, _, err := root.Find([]string{"schedule"})
	if err != nil {
		t.Fatal(err)
	}
	backup, _, err := root.Find([]string{"backup"})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	schedule.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(slices.Concat(now, unscheduled()), flag.Name) {
			return
		}
		value := values[flag.Name]
		switch {
		case value != "":
		case flag.Value.Type() == "bool":
			value = "true"
		case flag.Value.Type() == "duration":
			value = "1h1m1s"
		default:
			t.Errorf("--%s is neither known not to be about runs, nor has it a value to try", flag.Name)
			return
		}
		typed := "--" + flag.Name + "=" + value
		command := driverOf(t, "-f", source, "--facts", facts, "--mover-image=registry.example/mover:1", typed)
		if !slices.Contains(command, typed) {
			t.Errorf("%s is not in the command line of the runs: %v", typed, command)
		}
		tried++
		for _, word := range command[2:] {
			name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
			if backup.Flag(name) == nil && root.PersistentFlags().Lookup(name) == nil {
				t.Errorf("backup has no flag --%s", name)
			}
		}
	})
	if tried < 15 {
		t.Errorf("only %d flags were tried", tried)
	}
}

// TestAScheduleThatWasMovedIsRefused: kustomize sets the namespace of the objects, and the
// manifest in the ConfigMap still has the other. Nothing is asked of the cluster.
func TestAScheduleThatWasMovedIsRefused(t *testing.T) {
	t.Parallel()
	source, _ := hourly(t)
	classes := filepath.Join(t.TempDir(), "class-facts.yaml")
	text, err := plan.ClassFacts{APIVersion: "volsync-kopia/v1", Kind: plan.KindClassFacts, Namespace: "prod"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	kopiatest.Write(t, classes, string(text))
	var out, stderr bytes.Buffer
	f := NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &stderr})
	code := Main(t.Context(), f, []string{
		"backup", "-f", source, "--class-facts", classes, "--scheduled", "--namespace=staging", "--mover-image=registry.example/mover:1", "--server=http://127.0.0.1:1",
	})
	if code != 5 || !strings.Contains(stderr.String(), `made for namespace "prod", and runs in "staging"`) || !strings.Contains(stderr.String(), "make the schedule for namespace staging") {
		t.Errorf("exit %d\n%s%s", code, out.String(), stderr.String())
	}
}
