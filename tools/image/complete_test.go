package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// dynamicProgram is a program of this machine that needs a loader.
func dynamicProgram(t *testing.T) ([]byte, links) {
	t.Helper()
	data, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip("skipped: no /bin/sh")
	}
	l, err := readLinks(data)
	if err != nil || l.loader == "" || len(l.libraries) == 0 {
		t.Skipf("skipped: /bin/sh is linked statically: %+v, %v", l, err)
	}
	return data, l
}

func TestComplete(t *testing.T) {
	t.Parallel()
	program, l := dynamicProgram(t)
	tr := tree{}
	tr.file("usr/bin/sh", 0o755, program)
	tr.file("usr/share/text", 0o644, []byte("no program"))
	err := complete(tr, runtime.GOARCH)
	for _, need := range append(l.libraries, l.loader) {
		if err == nil || !strings.Contains(err.Error(), need) {
			t.Errorf("without %s: %v", need, err)
		}
	}
	// A loader of the right name in another place is not found.
	for _, library := range append(l.libraries, l.loader) {
		tr.file("usr/lib/triplet/"+library[strings.LastIndex(library, "/")+1:], 0o644, nil)
	}
	if err := complete(tr, runtime.GOARCH); err == nil || !strings.Contains(err.Error(), l.loader) {
		t.Errorf("with the loader elsewhere: %v", err)
	}
	tr.file(canonical(l.loader), 0o755, nil)
	if err := complete(tr, runtime.GOARCH); err != nil {
		t.Errorf("with everything: %v", err)
	}
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	if complete(tr, other) == nil {
		t.Errorf("a program for %s is accepted in an image for %s", runtime.GOARCH, other)
	}
	if complete(tr, "mips") == nil {
		t.Error("an image for an unknown architecture is accepted")
	}
}
