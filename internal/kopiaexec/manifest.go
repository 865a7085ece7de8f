package kopiaexec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// manifest is the part of kopia's snapshot JSON that is used; create and list
// print the same shape.
type manifest struct {
	ID     string `json:"id"`
	Source struct {
		Host     string `json:"host"`
		UserName string `json:"userName"`
		Path     string `json:"path"`
	} `json:"source"`
	StartTime  time.Time `json:"startTime"`
	EndTime    time.Time `json:"endTime"`
	Incomplete string    `json:"incomplete"`
	RootEntry  *struct {
		Obj  string `json:"obj"`
		Type string `json:"type"`
		Size int64  `json:"size"`
		Summ *struct {
			Size             int64 `json:"size"`
			Files            int64 `json:"files"`
			Dirs             int64 `json:"dirs"`
			NumFailed        int64 `json:"numFailed"`
			NumIgnoredErrors int64 `json:"numIgnoredErrors"`
			Errors           []struct {
				Path  string `json:"path"`
				Error string `json:"error"`
			} `json:"errors"`
		} `json:"summ"`
	} `json:"rootEntry"`
	RetentionReason []string          `json:"retentionReason"`
	Pins            []string          `json:"pins"`
	Tags            map[string]string `json:"tags"`
}

// DecodeSnapshot reads what kopia snapshot create --json prints. nil without
// an error: it printed nothing, so it saved nothing.
func DecodeSnapshot(stdout []byte) (*result.Snapshot, error) {
	if len(bytes.TrimSpace(stdout)) == 0 {
		return nil, nil
	}
	var m manifest
	if err := json.Unmarshal(stdout, &m); err != nil {
		return nil, fmt.Errorf("decode kopia's snapshot: %w", err)
	}
	if m.ID == "" {
		return nil, errors.New("decode kopia's snapshot: it has no id")
	}
	s := m.snapshot()
	return &s, nil
}

// DecodeSnapshots reads what kopia snapshot list --json prints, oldest first.
func DecodeSnapshots(stdout []byte) ([]result.Snapshot, error) {
	var list []manifest
	if err := json.Unmarshal(stdout, &list); err != nil {
		return nil, fmt.Errorf("decode kopia's list of snapshots: %w", err)
	}
	snapshots := make([]result.Snapshot, 0, len(list))
	for _, m := range list {
		snapshots = append(snapshots, m.snapshot())
	}
	return snapshots, nil
}

func (m manifest) snapshot() result.Snapshot {
	s := result.Snapshot{
		ID:        m.ID,
		Identity:  result.Identity{Username: m.Source.UserName, Hostname: m.Source.Host, Path: m.Source.Path},
		StartTime: m.StartTime, EndTime: m.EndTime, Incomplete: m.Incomplete,
		Retention: m.RetentionReason, Pins: m.Pins, Tags: plainTags(m.Tags),
	}
	if m.RootEntry == nil {
		return s
	}
	s.RootObject = m.RootEntry.Obj
	summ := m.RootEntry.Summ
	if summ == nil { // the source is a single file
		s.Files, s.Size = 1, m.RootEntry.Size
		return s
	}
	s.Files, s.Dirs, s.Size = summ.Files, summ.Dirs, summ.Size
	s.Failed, s.Ignored = summ.NumFailed, summ.NumIgnoredErrors
	for _, e := range summ.Errors {
		s.Errors = append(s.Errors, result.FileError{Path: e.Path, Error: e.Error})
	}
	return s
}

// plainTags takes off the "tag:" that kopia stores in front of each name.
func plainTags(tags map[string]string) map[string]string {
	if tags == nil {
		return nil
	}
	plain := make(map[string]string, len(tags))
	for name, value := range tags {
		plain[strings.TrimPrefix(name, "tag:")] = value
	}
	return plain
}

// Verified reads what kopia snapshot verify --json printed at its end. It
// reports how many objects were checked and the errors that were found.
func Verified(stdout []byte) (objects int64, problems []string, err error) {
	var v struct {
		Stats *struct {
			Processed int64 `json:"processedObjectCount"`
		} `json:"stats"`
		ErrorCount   int64    `json:"errorCount"`
		ErrorStrings []string `json:"errorStrings"`
	}
	if err := json.Unmarshal(stdout, &v); err != nil {
		return 0, nil, fmt.Errorf("decode kopia's verification: %w", err)
	}
	if v.Stats == nil {
		return 0, nil, errors.New("decode kopia's verification: it has no statistics")
	}
	if v.ErrorCount > 0 && len(v.ErrorStrings) == 0 {
		v.ErrorStrings = []string{fmt.Sprintf("errors without a text: %d", v.ErrorCount)}
	}
	return v.Stats.Processed, v.ErrorStrings, nil
}
