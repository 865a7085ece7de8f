package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lastStage reads what the last stage of a Dockerfile sets.
func lastStage(t *testing.T, text string) execution {
	t.Helper()
	e := execution{Labels: map[string]string{}}
	_, stage, found := strings.Cut(text, "\nFROM scratch\n")
	if !found {
		t.Fatal("the last stage is not from scratch")
	}
	for line := range strings.Lines(stage) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "USER":
			e.User = rest
		case "WORKDIR":
			e.WorkingDir = rest
		case "ENV":
			e.Env = append(e.Env, rest)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &e.Entrypoint); err != nil {
				t.Fatal(err)
			}
		case "LABEL":
			key, quoted, _ := strings.Cut(rest, "=")
			value, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			e.Labels[key] = value
		}
	}
	return e
}

// TestDockerfile: an image that is built with a container engine runs as the
// archive does.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settings("", "$VERSION").Config, lastStage(t, string(text))); diff != "" {
		t.Errorf("settings (-archive +Dockerfile):\n%s", diff)
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(module), "\ngo ")
	minor := strings.Join(strings.SplitN(version, ".", 3)[:2], ".")
	if want := "FROM golang:" + minor + "-bookworm AS build\n"; !strings.Contains(string(text), want) {
		t.Errorf("no line %q for the Go of go.mod", want)
	}
}
