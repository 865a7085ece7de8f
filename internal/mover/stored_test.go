package mover_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// actionThatTouches returns a program that makes the file.
func actionThatTouches(t *testing.T, file string) string {
	t.Helper()
	program := file + ".sh"
	kopiatest.Script(t, program, "#!/bin/sh\ntouch '"+file+"'\n")
	return program
}

func ran(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Whoever can write to a repository must not run commands in the movers of others,
// whatever their manifests allow.
func TestActionsOfTheRepositoryAreToldAndNeverRun(t *testing.T) {
	t.Parallel()
	foreign := map[string][]string{
		"of a directory in the source": {"app@prod:/data/sub dir", "--before-folder-action"},
		"of the host":                  {"@prod", "--before-snapshot-root-action"},
		"of the source itself":         {"app@prod:/data", "--after-snapshot-root-action"},
		"of all sources":               {"--global", "--after-snapshot-root-action"},
	}
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, set := range foreign {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				theirs, ours := filepath.Join(w.dir, "theirs"), filepath.Join(w.dir, "ours")
				w.policy(t, "global-policy.json", `{"actions":{"beforeSnapshotRoot":{"path":"`+actionThatTouches(t, ours)+`"}}}`)
				w.task.Policy.AllowActions = true
				w.run(t).want(t, result.Succeeded, 0, "")
				if !ran(ours) {
					t.Fatal("the manifest's own action has not run: nothing is tested here")
				}

				w.repo.Run(t, "policy", "set", set[0], set[1]+"="+actionThatTouches(t, theirs))
				w.task.Policy.Structured = otherSchedule()
				before := content(t, w.repo.Dir)
				o := w.run(t)
				o.want(t, result.Refused, 5, "ForeignActions")
				target := strings.Replace(set[0], "--global", "(global)", 1)
				if set[0] == "--global" && !strings.Contains(o.Hint, "kopia policy edit --global;") {
					t.Errorf("hint %q", o.Hint)
				}
				if !strings.Contains(o.Message, " of "+target) || strings.Contains(o.Message+o.log, "theirs.sh") {
					t.Errorf("message %q\n%s", o.Message, o.log)
				}
				sameFiles(t, before, content(t, w.repo.Dir))

				w.policy(t, "global-policy.json", `{"actions":{}}`)
				for _, allowed := range []bool{true, false} {
					w.task.Policy.AllowActions = allowed
					o = w.run(t)
					o.want(t, result.Succeeded, 0, "")
					if !strings.Contains(o.log, "VK431 ") || !strings.Contains(o.log, " of "+target) || strings.Contains(o.log, "theirs.sh") {
						t.Errorf("allowed %v:\n%s", allowed, o.log)
					}
				}
				if ran(theirs) {
					t.Error("the repository's action has run")
				}
			})
		}
	})
}

func sameFiles(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was %q and is %q", name, was, after[name])
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			t.Errorf("%s is new", name)
		}
	}
}

// otherSchedule is a maintenance schedule that a repository does not have.
func otherSchedule() []byte { return []byte(`{"maintenance":{"fullCycle":{"interval":"41h"}}}`) }

// Kopia saves the snapshot before it finds that it cannot mark the source.
func TestASourceWithAScheduleIsRefusedBeforeTheSnapshot(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		w.repo.Run(t, "policy", "set", "app@prod:/data", "--snapshot-interval=1h")
		w.task.Policy.Structured = otherSchedule()
		before := content(t, w.repo.Dir)
		o := w.run(t)
		o.want(t, result.Refused, 5, "SourceHasSchedule")
		if !strings.Contains(o.Hint, "kopia policy delete 'app@prod:/data'") {
			t.Errorf("hint %q", o.Hint)
		}
		sameFiles(t, before, content(t, w.repo.Dir))

		w.repo.Run(t, "policy", "delete", "app@prod:/data")
		for range 2 { // the first marks it as manual
			w.run(t).want(t, result.Succeeded, 0, "")
		}
	})
}
