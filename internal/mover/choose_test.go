package mover

import (
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	list := []result.Snapshot{
		{ID: "old", StartTime: noon.Add(-24 * time.Hour)},
		{ID: "twin-a", StartTime: noon},
		{ID: "twin-b", StartTime: noon.In(time.FixedZone("", -7*3600))},
		{ID: "cut-short", StartTime: noon.Add(time.Hour), Incomplete: "canceled"},
		{ID: "new", StartTime: noon.Add(2*time.Hour + 500*time.Millisecond)},
		{ID: "checkpoint", StartTime: noon.Add(3 * time.Hour), Incomplete: "checkpoint"},
	}
	asOf := func(text string) *time.Time {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return &at
	}
	rows := map[string]struct {
		task result.RestoreTask
		want string // an id, or a part of the error
		fail bool
	}{
		"the newest is a complete one":                {result.RestoreTask{}, "new", false},
		"the one before is a complete one":            {result.RestoreTask{Previous: 1}, "twin-b", false},
		"snapshots of one instant are ordered":        {result.RestoreTask{Previous: 2}, "twin-a", false},
		"the oldest":                                  {result.RestoreTask{Previous: 3}, "old", false},
		"further back than any":                       {result.RestoreTask{Previous: 4}, "previous=4 passes over the newest 4 of 4 complete snapshots; it can be 3 at most", true},
		"a negative number":                           {result.RestoreTask{Previous: -1}, "previous=-1 is less than 0", true},
		"as of the very instant":                      {result.RestoreTask{AsOf: asOf("2026-03-29T12:00:00Z")}, "twin-b", false},
		"as of the instant in another zone":           {result.RestoreTask{AsOf: asOf("2026-03-29T21:00:00+09:00")}, "twin-b", false},
		"a later wall clock that is an earlier time":  {result.RestoreTask{AsOf: asOf("2026-03-29T13:59:59+02:00")}, "old", false},
		"an earlier wall clock that is a later time":  {result.RestoreTask{AsOf: asOf("2026-03-29T09:30:00-05:00")}, "new", false},
		"half a second before":                        {result.RestoreTask{AsOf: asOf("2026-03-29T14:00:00Z")}, "twin-b", false},
		"as of a time when there was only a part one": {result.RestoreTask{AsOf: asOf("2026-03-29T13:00:00Z")}, "twin-b", false},
		"before the first":                            {result.RestoreTask{AsOf: asOf("2020-01-01T01:00:00+01:00")}, "there is no complete snapshot as of 2020-01-01T00:00:00Z", true},
		"the one before a time":                       {result.RestoreTask{AsOf: asOf("2026-03-29T12:30:00Z"), Previous: 2}, "old", false},
		"further back than any by then":               {result.RestoreTask{AsOf: asOf("2026-03-29T11:59:59Z"), Previous: 2}, "of 1 complete snapshot as of 2026-03-29T11:59:59Z; it can be 0 at most", true},
		"an incomplete one by its id":                 {result.RestoreTask{SnapshotID: "cut-short"}, "cut-short", false},
		"an id that is not there":                     {result.RestoreTask{SnapshotID: "gone"}, "no snapshot gone", true},
	}
	for name, row := range rows {
		got, err := choose(list, row.task)
		switch {
		case row.fail && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %q, %v; want the error %q", name, got.ID, err, row.want)
		case !row.fail && (err != nil || got.ID != row.want):
			t.Errorf("%s: %q, %v; want %q", name, got.ID, err, row.want)
		}
	}
	if list[0].ID != "old" || list[5].ID != "checkpoint" {
		t.Error("the caller's list was changed")
	}
}

func TestTimesOfListsTheNewest(t *testing.T) {
	t.Parallel()
	var list []result.Snapshot
	for i := range 7 {
		list = append(list, result.Snapshot{ID: string(rune('a' + i)), StartTime: time.Unix(int64(i), 0)})
	}
	want := "; of this source, newest first: 1970-01-01T00:00:06Z (g), 1970-01-01T00:00:05Z (f), 1970-01-01T00:00:04Z (e), " +
		"1970-01-01T00:00:03Z (d), 1970-01-01T00:00:02Z (c), and 2 older ones"
	if got := timesOf("of this source", list); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := timesOf("of this source", nil); got != "" {
		t.Errorf("nothing is %q", got)
	}
}
