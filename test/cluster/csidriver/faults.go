package csidriver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The faults; the package comment says what each does.
const (
	CreateVolumeFails   = "createVolumeFails"
	CreateSnapshotFails = "createSnapshotFails"
	DeleteSnapshotFails = "deleteSnapshotFails"
	NodePublishFails    = "nodePublishFails"
	SnapshotReadyAfter  = "snapshotReadyAfter"
	CloneReadyAfter     = "cloneReadyAfter"
	RestoreReadyAfter   = "restoreReadyAfter"
	SecondMount         = "secondMount"
)

// Words that stand for a value without bound.
const (
	always  = "always"
	never   = "never"
	refused = "refused"
	allowed = "allowed"
)

// controlFile has the faults of the whole driver, in the data directory.
const controlFile = "faults.json"

// Faults are what goes wrong, by name.
type Faults map[string]string

// WriteFaults switches the faults of a running driver, for all classes; none
// switches all off. A call that runs meanwhile sees the old ones or the new
// ones. An unknown fault or value is an error and changes nothing.
func WriteFaults(dataDir string, faults Faults) error {
	if err := faults.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(faults, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dataDir, controlFile)
	if err := os.WriteFile(name+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// readFaults reads the control file; there need not be one.
func readFaults(dataDir string) (Faults, error) {
	data, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f Faults
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", controlFile, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", controlFile, err)
	}
	return f, nil
}

// over returns the class's faults with those of the control file before them.
func (f Faults) over(class Faults) Faults {
	merged := maps.Clone(class)
	if merged == nil {
		merged = Faults{}
	}
	maps.Copy(merged, f)
	return merged
}

// check refuses what would otherwise be a fault that never happens.
func (f Faults) check() error {
	for name, value := range f {
		var err error
		switch name {
		case CreateVolumeFails, CreateSnapshotFails, DeleteSnapshotFails, NodePublishFails:
			_, err = parseTimes(value)
		case SnapshotReadyAfter, CloneReadyAfter, RestoreReadyAfter:
			_, err = parseDelay(value)
		case SecondMount:
			if value != refused && value != allowed {
				err = fmt.Errorf("%q is neither %q nor %q", value, refused, allowed)
			}
		default:
			err = errors.New("no such fault")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// times is how often the named call fails; math.MaxInt is always.
func (f Faults) times(name string) int {
	n, _ := parseTimes(f[name]) // checked when it was read
	return n
}

// delay is how long the named state takes; math.MaxInt64 is forever.
func (f Faults) delay(name string) time.Duration {
	d, _ := parseDelay(f[name]) // checked when it was read
	return d
}

func parseTimes(value string) (int, error) {
	switch value {
	case "":
		return 0, nil
	case always:
		return math.MaxInt, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is neither a count nor %q", value, always)
	}
	return n, nil
}

func parseDelay(value string) (time.Duration, error) {
	switch value {
	case "":
		return 0, nil
	case never:
		return math.MaxInt64, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is neither a duration nor %q", value, never)
	}
	return d, nil
}
