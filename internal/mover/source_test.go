package mover_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The workload that uses the volume may change it at any time, and kopia follows
// a symbolic link that it is given.
func TestSourceExchangedDuringTheRunIsNotBackedUp(t *testing.T) {
	t.Parallel()
	const exchange = `mv '$DATA/sub dir' '$DATA/away' && ln -s '$DIR/secret' '$DATA/sub dir'`
	kopia := kopiatest.Kopia(t)
	rows := map[string]struct {
		cause func(t *testing.T, w *world, exchange string)
		says  string
	}{
		"by the before-action": {func(_ *testing.T, w *world, exchange string) {
			w.task.Backup.Actions = &result.Actions{Before: exchange}
		}, "symbolic link"},
		"by somebody else": {func(t *testing.T, w *world, exchange string) {
			t.Helper()
			w.shim(t, `case "$*" in *"policy export"*) `+exchange+`;; esac`)
		}, "symbolic link"},
		"for another directory": {func(_ *testing.T, w *world, _ string) {
			w.task.Backup.SourcePath = "/data/sub dir"
			w.task.Backup.Actions = &result.Actions{Before: `mkdir -p 'data/sub dir'; touch 'data/sub dir/x'`}
		}, `led to "sub dir" and leads to "data/sub dir" now`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.task.Backup.SourcePath = "sub dir"
			row.cause(t, w, strings.NewReplacer("$DATA", w.data, "$DIR", w.dir).Replace(exchange))
			o := w.run(t)
			o.want(t, result.Failed, 1, "SourceChanged")
			if saved := w.repo.Snapshots(t); len(saved) > 0 || o.Snapshot != nil {
				t.Errorf("there is a snapshot: %v", saved)
			}
			if !strings.Contains(o.Message, row.says) || !strings.Contains(o.Message, "no snapshot was made") {
				t.Errorf("message %q", o.Message)
			}
		})
	}
}

// A directory that the before-action makes anew, at the same place, is the
// source: many a dump is made that way.
func TestSourceMadeAnewByTheActionIsBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.task.Backup.SourcePath = "sub dir"
	w.task.Backup.Actions = &result.Actions{Before: `rm -r 'sub dir'; mkdir 'sub dir'; echo dump > 'sub dir/dump.sql'`}
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if _, err := os.Stat(w.repo.Restore(t, o.Snapshot.ID) + "/dump.sql"); err != nil {
		t.Error(err)
	}
}

// Kopia names every file that it passes over; a message and a Result name ten.
func TestUnreadableFilesAreNamedUpToTen(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, code := range map[string]int{"missed": 4, "ignored": 0} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				if code == 0 {
					w.ignoreErrors()
				}
				for i := range 30 {
					name := fmt.Sprintf("%s/key-%02d", w.data, i)
					kopiatest.Write(t, name, "key")
					chmod(t, name, 0o600)
				}
				o := runUnreadable(t, w)
				// The termination message may have lost some of it.
				r := lastEvent(t, o.log)
				if r.ExitCode != code || len(r.Snapshot.Errors) != 10 || r.Snapshot.Errors[9].Path != "key-09" || r.Snapshot.OmittedErrors != 21 {
					t.Errorf("exit %d, %d omitted, errors %+v", r.ExitCode, r.Snapshot.OmittedErrors, r.Snapshot.Errors)
				}
				text := r.Message
				if len(r.Warnings) > 0 {
					text = r.Warnings[0].Message
				}
				if !strings.Contains(text, "key-09: ") || strings.Contains(text, "key-10: ") || !strings.Contains(text, "and 21 more") {
					t.Errorf("it is told as %q", text)
				}
			})
		}
	})
}
