package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// brokenAPIServer is a cache in which etcd does nothing and the API server ends at once.
func brokenAPIServer(t *testing.T) toolchain.Cache {
	t.Helper()
	cache, err := toolchain.Open()
	if err != nil {
		t.Fatal(err)
	}
	cache.Dir = t.TempDir()
	for _, program := range []struct{ tool, name, script string }{
		{toolchain.Etcd, "etcd", "#!/bin/sh\nexec sleep 60\n"},
		{toolchain.Kubernetes, "hyper", "#!/bin/sh\necho no such flag\nexit 1\n"},
	} {
		path, err := cache.Program(program.tool, program.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(program.script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return cache
}
