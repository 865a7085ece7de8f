package csidriver

import (
	"math"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// injector makes calls fail. It counts by fault and object, so that each
// object has its own failures.
type injector struct {
	now      func() time.Time
	mu       sync.Mutex
	attempts map[[2]string]int
	begun    map[[2]string]time.Time
}

// faults returns those in force for an object of a class.
func (d *Driver) faults(class Faults) (Faults, error) {
	control, err := readFaults(d.opts.DataDir)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return control.over(class), nil
}

// failure fails the call as often as the fault says for this object.
func (i *injector) failure(f Faults, name, object string) error {
	limit := f.times(name)
	if limit == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.attempts == nil {
		i.attempts = map[[2]string]int{}
	}
	key := [2]string{name, object}
	i.attempts[key]++
	switch n := i.attempts[key]; {
	case limit == math.MaxInt:
		return status.Errorf(codes.Internal, "injected fault: %s=%s on %s", name, f[name], object)
	case n <= limit:
		return status.Errorf(codes.Unavailable, "injected fault: %s=%s on %s, failure %d of %d", name, f[name], object, n, limit)
	}
	return nil
}

// delay fails the call until the fault's time since the first call for this
// object has passed.
func (i *injector) delay(f Faults, name, object string) error {
	wait := f.delay(name)
	if wait == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.begun == nil {
		i.begun = map[[2]string]time.Time{}
	}
	key := [2]string{name, object}
	if _, ok := i.begun[key]; !ok {
		i.begun[key] = i.now()
	}
	if i.now().Sub(i.begun[key]) >= wait {
		return nil
	}
	return status.Errorf(codes.Aborted, "injected fault: %s=%s on %s, which is not finished", name, f[name], object)
}
