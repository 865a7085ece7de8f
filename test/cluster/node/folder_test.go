package node_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

// A mistyped folder must not be emptied by down, nor filled by up.
func TestFolderOfSomebodyElseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load: %v, want that there is no cluster", err)
	}
	_, err := node.Up(t.Context(), node.Options{Dir: dir, APIServerOnly: true})
	if err == nil || !strings.Contains(err.Error(), "no cluster's") {
		t.Errorf("up: %v, want a refusal", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v (%v)", left, err)
	}
}

// An API server that cannot start must not leave etcd behind.
func TestFailedUpStopsWhatItStarted(t *testing.T) {
	dir := t.TempDir()
	_, err := node.Up(t.Context(), node.Options{Dir: dir, APIServerOnly: true, Tools: brokenAPIServer(t)})
	if err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Fatalf("got %v, want the end of the API server's log", err)
	}
	c, err := node.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if running, err := c.Running(); err != nil || len(running) > 0 {
		t.Errorf("%v run (%v)", running, err)
	}
}

func TestRefusedNodeMakesNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if _, err := node.Up(t.Context(), node.Options{Dir: dir}); err == nil {
		t.Fatal("a folder too long for the sockets in it was taken")
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there (%v)", err)
	}
}
