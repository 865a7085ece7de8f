package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/clustertest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

// The caller of run may be killed, so that the cluster's life hangs on its standard input.
func TestRunEndsWithItsStandardInput(t *testing.T) {
	clustertest.APIServerTools(t)
	dir := filepath.Join(t.TempDir(), "state")
	stdin, hold := io.Pipe()
	lines, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := dispatch(t.Context(), []string{"run", "--apiserver-only", "--state", dir}, streams{stdin, stdout, t.Output()})
		_ = stdout.Close()
		ended <- err
		close(ended)
	}()
	t.Cleanup(func() { // a test that failed leaves no cluster either
		_ = hold.Close()
		<-ended
	})
	line, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	if want := filepath.Join(dir, "kubeconfig"); strings.TrimSpace(line) != want {
		t.Errorf("printed %q, want %s", line, want)
	}
	c, err := node.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	daemons, err := c.Running()
	if err != nil || len(daemons) == 0 {
		t.Errorf("%d daemons run (%v)", len(daemons), err)
	}
	if err := dispatch(t.Context(), []string{"status", "--state", dir}, streams{nil, io.Discard, io.Discard}); err != nil {
		t.Errorf("status of a running cluster: %v", err)
	}
	_ = hold.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, d := range daemons {
		if d.Record.Alive() {
			t.Errorf("%s is alive", d.Name)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is left (%v)", err)
	}
}

func TestDownWithoutACluster(t *testing.T) {
	var errors bytes.Buffer
	if err := dispatch(t.Context(), []string{"down", "--state", t.TempDir()}, streams{nil, io.Discard, &errors}); err != nil {
		t.Errorf("down: %v", err)
	}
	if !strings.Contains(errors.String(), "no cluster") {
		t.Errorf("said %q", errors.String())
	}
	if err := dispatch(t.Context(), []string{"status", "--state", t.TempDir()}, streams{nil, io.Discard, io.Discard}); err == nil {
		t.Error("status of no cluster is a success")
	}
}

func TestWriteImage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.tar")
	args := []string{"image", "-o", out, "-t", "vk.local/x:1", "-c", "/x", "/x=" + os.Args[0]}
	if err := dispatch(t.Context(), args, streams{nil, io.Discard, io.Discard}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil || !bytes.Contains(data, []byte("vk.local/x:1")) {
		t.Errorf("the archive does not name the image (%v)", err)
	}
	for _, wrong := range [][]string{{"image", "-t", "x:1"}, {"image", "-o", out, "-t", "x:1", "x=y"}} {
		if err := dispatch(t.Context(), wrong, streams{nil, io.Discard, io.Discard}); err == nil {
			t.Errorf("%v is a success", wrong)
		}
	}
}
