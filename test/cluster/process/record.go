// Package process starts daemons that outlive their starter, records them so that they can be found again, and stops
// those and no others.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Record names one process for good. Its id alone may belong to another process by the time it is signalled.
type Record struct {
	PID int
	// Started is the start time in clock ticks since boot, field 22 of /proc/PID/stat.
	Started uint64
}

// Of records a running process.
func Of(pid int) (Record, error) {
	_, started, err := stat(pid)
	return Record{PID: pid, Started: started}, err
}

// Alive reports whether the process runs. A zombie does not: it holds nothing, and an init that reaps late keeps it
// for seconds.
func (r Record) Alive() bool {
	state, started, err := stat(r.PID)
	return err == nil && started == r.Started && state != "Z" && state != "X"
}

// Signal sends a signal, or does nothing if the process is gone. The process is pinned before its start time is
// compared, so that no other can get the signal.
func (r Record) Signal(signal unix.Signal) error {
	fd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if !r.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

func (r Record) String() string { return fmt.Sprintf("%d %d", r.PID, r.Started) }

func parse(text string) (Record, error) {
	var r Record
	_, err := fmt.Sscanf(text, "%d %d", &r.PID, &r.Started)
	return r, err
}

// stat reads the state and the start time. The second field is the program's name in brackets and may hold both
// spaces and brackets, so that fields are counted from its end.
func stat(pid int) (state string, started uint64, err error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, unix.ESRCH) {
		err = fs.ErrNotExist // it ended between open and read
	}
	if err != nil {
		return "", 0, err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return "", 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	started, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0], started, err
}
