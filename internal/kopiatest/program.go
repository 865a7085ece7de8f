package kopiatest

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Script writes a shell script that can be run at once.
func Script(tb testing.TB, path, text string) {
	tb.Helper()
	program(tb, path, strings.NewReader(text))
}

// PublicCopy copies a program into a directory, where every user may run it, and
// returns its path.
func PublicCopy(tb testing.TB, dir, path string) string {
	tb.Helper()
	in, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	target := filepath.Join(dir, "program-"+filepath.Base(path))
	program(tb, target, in)
	return target
}

// program writes a file that can be run. While it is open for writing no process may
// be started: that would inherit it until its own exec, and who runs the file in that
// moment is told "text file busy" (https://go.dev/issue/22315).
func program(tb testing.TB, path string, content io.Reader) {
	tb.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = io.Copy(out, content)
	if closeErr := out.Close(); err != nil || closeErr != nil {
		tb.Fatal(err, closeErr)
	}
}
