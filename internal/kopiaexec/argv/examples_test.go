package argv

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestRestoresHaveTheirOwnList(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arg, version string
		class        Class
	}{
		"owners":                       {"--skip-owners", "0.22.3", Passed},
		"permission errors, negated":   {"--no-ignore-permission-errors", "0.22.3", Passed},
		"parallel":                     {"--parallel=2", "0.22.3", Passed},
		"speed":                        {"--download-speed=1MB", "0.22.3", Translated},
		"flush, where it exists":       {"--flush-files", "0.22.3", Passed},
		"flush, where it does not":     {"--flush-files", "0.21.1", Unknown},
		"a flag of backups":            {"--tags=a:b", "0.22.3", Unknown},
		"a policy of backups":          {"--ignore=x", "0.22.3", Unknown},
		"deletion before the proof":    {"--delete-extra", "0.22.3", Forbidden},
		"another snapshot":             {"--snapshot-time=2020", "0.22.3", Forbidden},
		"an archive":                   {"--mode=zip", "0.22.3", Forbidden},
		"a credential":                 {"--password=x", "0.22.3", Forbidden},
		"documented, but never a flag": {"--skip-verification", "0.22.3", Unknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Classify([]string{test.arg}, TableFor(test.version), Options{Operation: result.OperationRestore})
			if got.Arguments[0].Class != test.class || got.Problems.HasErrors() != (test.class == Forbidden || test.class == Unknown) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The documentation page's own lists of arguments, in manifests of the same shape.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args     []string
		want     verdict
		severity problem.Severity
	}{
		"a first example":  {[]string{"--one-file-system", "--ignore-cache-dirs", "--parallel=16", "--progress-interval=100"}, verdict{"Translated Translated Passed LeftOut", []string{"--parallel=16"}, []string{"VK205 0", "VK205 1", "VK211 3"}}, problem.Warning},
		"performance":      {[]string{"--parallel=16", "--block-size=4MB", "--read-buffer-size=32MB", "--no-progress"}, verdict{"Passed Translated LeftOut Passed", []string{"--parallel=16", "--no-progress"}, []string{"VK205 1", "VK207 1", "VK211 2"}}, problem.Warning},
		"exclusions":       {[]string{"--ignore=/tmp/", "--ignore=*.log", "--ignore=*.tmp", "--ignore-cache-dirs"}, verdict{"Translated Translated Translated Translated", nil, []string{"VK205 0", "VK205 1", "VK205 2", "VK205 3"}}, problem.Info},
		"bandwidth":        {[]string{"--upload-speed=10MB"}, verdict{"Translated", nil, []string{"VK205 0"}}, problem.Info},
		"all of it at one": {[]string{"--one-file-system", "--ignore-cache-dirs", "--ignore=/var/log/", "--parallel=12", "--block-size=4MB", "--progress-interval=1000"}, verdict{"Translated Translated Translated Passed Translated LeftOut", []string{"--parallel=12"}, []string{"VK205 0", "VK205 1", "VK205 2", "VK205 4", "VK207 4", "VK211 5"}}, problem.Warning},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range Versions() {
				got := Classify(test.args, TableFor(version), Options{Operation: result.OperationBackup})
				if diff := cmp.Diff(test.want, verdictOf(got)); diff != "" {
					t.Errorf("kopia %s (-want +got):\n%s", version, diff)
				}
				if got.Problems.HasErrors() || (got.Problems.Count(problem.Warning) > 0) != (test.severity == problem.Warning) {
					t.Errorf("kopia %s: %+v", version, got.Problems)
				}
			}
		})
	}
}
