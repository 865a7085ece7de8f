package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// silent is an API server that accepts connections and never answers.
func silent(t *testing.T) (kubeconfig string, asked <-chan struct{}) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	got := make(chan struct{}, 16)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				buffer := make([]byte, 1<<10)
				for {
					if _, err := connection.Read(buffer); err != nil {
						return
					}
					select {
					case got <- struct{}{}:
					default:
					}
				}
			}()
		}
	}()
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://%s"}}]
contexts: [{name: c, context: {cluster: c, namespace: prod}}]
current-context: c
`, listener.Addr())
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, got
}

const sourceForSilence = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: app, namespace: prod}
spec: {sourcePVC: data, kopia: {repository: kopia-config}}
`

// TestACommandThatWaitsForTheAPIServerObeysItsSignals: one that gets no answer
// ends at the first signal, and at its time limit, with the code of that.
func TestACommandThatWaitsForTheAPIServerObeysItsSignals(t *testing.T) {
	t.Parallel()
	manifest := filepath.Join(t.TempDir(), "source.yaml")
	if err := os.WriteFile(manifest, []byte(sourceForSilence), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		signal os.Signal // nil: the command ends by itself
		code   int
		says   string
		args   []string
	}{
		{syscall.SIGINT, 130, "SIGINT", []string{"backup", "-f", manifest}},
		{syscall.SIGINT, 130, "SIGINT", []string{"backup", "app"}},
		{syscall.SIGTERM, 143, "SIGTERM", []string{"backup", "-f", manifest, "--dry-run=server"}},
		{nil, 6, "--timeout", []string{"backup", "-f", manifest, "--timeout=5s"}},
		{syscall.SIGINT, 130, "SIGINT", []string{"plan", "-f", manifest}},
		{syscall.SIGTERM, 143, "SIGTERM", []string{"doctor", "-f", manifest}},
		{syscall.SIGINT, 130, "SIGINT", []string{"status"}},
		{syscall.SIGINT, 130, "SIGINT", []string{"runs", "list"}},
		{syscall.SIGINT, 130, "SIGINT", []string{"runs", "show", "x7k2q"}},
		{syscall.SIGINT, 130, "SIGINT", []string{"cleanup"}},
	}
	for _, row := range rows {
		t.Run(strings.ReplaceAll(strings.Join(row.args, " "), manifest, "FILE"), func(t *testing.T) {
			t.Parallel()
			kubeconfig, asked := silent(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, program, row.args...)
			c.Env = []string{"KUBECONFIG=" + kubeconfig, "HOME=" + t.TempDir(), "VOLSYNC_KOPIA_MOVER_IMAGE=registry.example/mover:1"}
			var stderr bytes.Buffer
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- c.Wait() }()
			var err error
			select {
			case <-asked:
				if row.signal != nil {
					if err := c.Process.Signal(row.signal); err != nil {
						t.Fatal(err)
					}
				}
				err = <-ended
			case err = <-ended: // before it has asked, or with ctx: the code tells
			}
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if c.ProcessState.ExitCode() != row.code || !strings.Contains(stderr.String(), row.says) {
				t.Errorf("%v ended with %d, want %d and %q\n%s", row.args, c.ProcessState.ExitCode(), row.code, row.says, stderr.String())
			}
		})
	}
}
