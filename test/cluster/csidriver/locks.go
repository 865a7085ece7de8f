package csidriver

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// locks keep two calls from working on one object. Nobody waits for a lock:
// the CSI spec wants ABORTED, and the callers retry.
type locks struct {
	mu      sync.Mutex
	writers map[string]bool
	readers map[string]int
}

// exclusive locks an object that is made or deleted.
func (l *locks) exclusive(id string) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writers[id] || l.readers[id] > 0 {
		return nil, status.Errorf(codes.Aborted, "another call works on %s", id)
	}
	if l.writers == nil {
		l.writers = map[string]bool{}
	}
	l.writers[id] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.writers, id)
	}, nil
}

// shared locks an object that is copied from.
func (l *locks) shared(id string) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writers[id] {
		return nil, status.Errorf(codes.Aborted, "another call works on %s", id)
	}
	if l.readers == nil {
		l.readers = map[string]int{}
	}
	l.readers[id]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.readers[id]--; l.readers[id] == 0 {
			delete(l.readers, id)
		}
	}, nil
}
