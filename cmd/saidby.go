package cmd

import (
	"bufio"
	"fmt"
	"io"
	"log" //nolint:depguard // kustomize writes to it
	"os"
	"strings"
	"sync"
)

// standardError is held by whoever has taken the process's standard error over.
var standardError sync.Mutex //nolint:gochecknoglobals // a process has but one

// saidBy calls do, and hears each line that a library writes in it to the process's
// standard error, where it would stand among the command's own.
func saidBy(do func(), hear func(line string)) error {
	standardError.Lock()
	defer standardError.Unlock()
	from, to, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	var one sync.Mutex
	heard := make(chan struct{})
	once := func(line string) {
		one.Lock()
		defer one.Unlock()
		hear(line)
	}
	go func() {
		defer close(heard)
		read := bufio.NewReader(from)
		for {
			line, err := read.ReadString('\n')
			if line = strings.TrimSpace(line); line != "" {
				once(line)
			}
			if err != nil {
				return
			}
		}
	}()
	stderr, logged, flags := os.Stderr, log.Writer(), log.Flags()
	os.Stderr = to
	log.SetOutput(lineFunc(once)) // at once, for log.Fatal leaves no time
	log.SetFlags(0)
	defer func() {
		os.Stderr = stderr
		log.SetOutput(logged)
		log.SetFlags(flags)
		_ = to.Close()
		<-heard
		_ = from.Close()
	}()
	do()
	return nil
}

// lineFunc is a writer for package log, which writes a whole message at a time.
type lineFunc func(string)

var _ io.Writer = lineFunc(nil)

// Write implements io.Writer.
func (f lineFunc) Write(data []byte) (int, error) {
	f(strings.TrimSpace(string(data)))
	return len(data), nil
}
