package argv

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// verdict is the part of a Classification that the tables below compare:
// classes, what is passed, and "CODE index" for each problem.
type verdict struct {
	Classes  string
	Pass     []string
	Problems []string
}

func verdictOf(c Classification) verdict {
	var v verdict
	classes := make([]string, 0, len(c.Arguments))
	for _, a := range c.Arguments {
		classes = append(classes, string(a.Class))
	}
	v.Classes, v.Pass = strings.Join(classes, " "), c.Pass
	for _, p := range c.Problems {
		v.Problems = append(v.Problems, p.Code+" "+strings.TrimSuffix(strings.TrimPrefix(p.Path, "spec.kopia.additionalArgs["), "]"))
	}
	return v
}

func backup(t *testing.T, args ...string) Classification {
	t.Helper()
	return Classify(args, TableFor(DefaultVersion), Options{Operation: result.OperationBackup})
}

func TestForbiddenInEverySpelling(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	tests := map[string][]string{
		"with an equals sign":                   {"--password=" + secret},
		"with a blank in one entry":             {"--password " + secret},
		"with a tab in one entry":               {"--password\t" + secret},
		"in two entries":                        {"--password", secret},
		"in two entries, secret with dashes":    {"--password", "--" + secret},
		"short, apart":                          {"-p", secret},
		"short, secret with a dash":             {"-p", "-" + secret},
		"short, joined":                         {"-p" + secret},
		"short, with an equals sign":            {"-p=" + secret},
		"upper case":                            {"--PASSWORD=" + secret},
		"mixed case, two entries":               {"--PassWord", secret},
		"negated":                               {"--no-password=" + secret},
		"underscore":                            {"--secret_access_key=" + secret},
		"no flag of this command":               {"--access-key=" + secret},
		"a backend's flag":                      {"--sas-token", secret},
		"a hidden global flag":                  {"--metrics-push-password=" + secret},
		"upper case credential in two entries":  {"--ACCESS-KEY", "-" + secret},
		"path of the configuration":             {"--config-file=" + secret},
		"made-up name that the page forbids":    {"--config", secret},
		"another made-up name":                  {"--repository=" + secret},
		"identity":                              {"--override-source=" + secret + "@x:/y"},
		"identity of the connection":            {"--override-username=" + secret},
		"everything of this host":               {"--all"},
		"everything of this host, negated":      {"--no-all"},
		"everything of this host, with a value": {"--all=" + secret},
		"standard input":                        {"--stdin-file=" + secret},
		"a made-up start time":                  {"--start-time=" + secret},
		"output form":                           {"--json"},
		"output form, negated":                  {"--no-json"},
		"actions of the repository":             {"--force-enable-actions"},
		"maintenance":                           {"--auto-maintenance"},
		"maintenance, negated":                  {"--no-auto-maintenance"},
		"dangerous commands":                    {"--dangerous-commands=" + secret},
		"help, which would succeed":             {"--help"},
		"tracing":                               {"--otlp-trace"},
		"log file":                              {"--log-file=" + secret},
		"cache":                                 {"--cache-directory=" + secret},
		"end of flags":                          {"--"},
		"a bare path":                           {"/proc/self/" + secret},
		"an empty entry":                        {""},
		"a lone dash":                           {"-"},
		"no name":                               {"--=" + secret},
		"white space before":                    {" --password=" + secret},
		"a line break before":                   {"\n--password=" + secret},
		"a typographic dash":                    {"–" + secret},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range Versions() {
				if version == "0.21.1" && strings.HasPrefix(args[0], "--dangerous") {
					continue // it has another name there
				}
				got := Classify(args, TableFor(version), Options{})
				if len(got.Arguments) != 1 || got.Arguments[0].Class != Forbidden || len(got.Pass) != 0 || len(got.Layers) != 0 {
					t.Fatalf("kopia %s: %+v", version, got)
				}
				if !got.Problems.HasErrors() || got.Problems[0].Fix == "" {
					t.Errorf("kopia %s: no error with a fix: %+v", version, got.Problems)
				}
				if text := cmp.Diff(nil, got); strings.Contains(text, secret) {
					t.Errorf("kopia %s: the value is shown:\n%s", version, text)
				}
			}
		})
	}
}

func TestPassedAsOneArgumentEach(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want []string
	}{
		"value after an equals sign":              {[]string{"--parallel=16"}, []string{"--parallel=16"}},
		"value in the next entry":                 {[]string{"--parallel", "16"}, []string{"--parallel=16"}},
		"value after a blank":                     {[]string{"--parallel 16"}, []string{"--parallel=16"}},
		"two tags":                                {[]string{"--tags=env:STAGING", "--tags=team:PLATFORM_ONE"}, []string{"--tags=env:STAGING", "--tags=team:PLATFORM_ONE"}},
		"a tag with colons and line breaks":       {[]string{"--tags=a:b:c\n\"d\" "}, []string{"--tags=a:b:c\n\"d\" "}},
		"an empty description":                    {[]string{"--description="}, []string{"--description="}},
		"an empty description in two entries":     {[]string{"--description", ""}, []string{"--description="}},
		"a description that looks like a flag":    {[]string{"--description=--password=x"}, []string{"--description=--password=x"}},
		"no progress":                             {[]string{"--no-progress"}, []string{"--no-progress"}},
		"a switch said to be true":                {[]string{"--fail-fast=true"}, []string{"--fail-fast"}},
		"a switch said to be false":               {[]string{"--fail-fast=false"}, []string{"--no-fail-fast"}},
		"a negation said to be false":             {[]string{"--no-fail-fast=false"}, []string{"--fail-fast"}},
		"hidden flags":                            {[]string{"--checkpoint-interval=10m", "--flush-per-source"}, []string{"--checkpoint-interval=10m", "--flush-per-source"}},
		"one argument wins over the other fields": {[]string{"--force-hash=12.5", "--log-dir-detail=3"}, []string{"--force-hash=12.5", "--log-dir-detail=3"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := backup(t, test.args...)
			if diff := cmp.Diff(test.want, got.Pass); diff != "" || len(got.Problems) != 0 {
				t.Errorf("Pass (-want +got):\n%s%+v", diff, got.Problems)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want verdict
	}{
		"repeated flag":                       {[]string{"--parallel=4", "--parallel=8"}, verdict{"Passed Invalid", []string{"--parallel=4"}, []string{"VK206 1"}}},
		"flag and its negation":               {[]string{"--progress", "--no-progress"}, verdict{"Passed Invalid", []string{"--progress"}, []string{"VK206 1"}}},
		"two ways to the same splitter":       {[]string{"--block-size=4MB", "--splitter=FIXED-8M"}, verdict{"Translated Invalid", nil, []string{"VK205 0", "VK207 0", "VK206 1"}}},
		"repeated tag":                        {[]string{"--tags=a:1", "--tags=a:2"}, verdict{"Passed Invalid", []string{"--tags=a:1"}, []string{"VK206 1"}}},
		"tag of this tool":                    {[]string{"--tags=volsync-kopia-run:x"}, verdict{"Invalid", nil, []string{"VK209 0"}}},
		"tag without a colon":                 {[]string{"--tags=x"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"value missing at the end":            {[]string{"--parallel"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"value missing before a flag":         {[]string{"--ignore", "--fail-fast"}, verdict{"Invalid Passed", []string{"--fail-fast"}, []string{"VK204 0"}}},
		"no number":                           {[]string{"--parallel=many"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"negative number":                     {[]string{"--parallel=-1"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"negative number in the next entry":   {[]string{"--parallel", "-1"}, verdict{"Invalid Unknown", nil, []string{"VK204 0", "VK203 1"}}},
		"no percentage":                       {[]string{"--force-hash=NaN"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"checkpoints too far apart":           {[]string{"--checkpoint-interval=46m"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"not a value of the list":             {[]string{"--progress-estimation-type=fast"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"a switch with a path as value":       {[]string{"--fail-fast=/proc/self/environ"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"a switch with a path after it":       {[]string{"--fail-fast", "/proc/self/environ"}, verdict{"Passed Forbidden", []string{"--fail-fast"}, []string{"VK202 1"}}},
		"NUL in a value":                      {[]string{"--description=a\x00b"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"bytes that are no text":              {[]string{"--ignore=\xff"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"negation of a flag with a value":     {[]string{"--no-parallel"}, verdict{"Unknown", nil, []string{"VK203 0"}}},
		"a snapshot that stays for good":      {[]string{"--pin=keep"}, verdict{"Passed", []string{"--pin=keep"}, []string{"VK210 0"}}},
		"an upload that is cut short":         {[]string{"--upload-limit-mb=10"}, verdict{"Passed", []string{"--upload-limit-mb=10"}, []string{"VK210 0"}}},
		"unknown flag with its value apart":   {[]string{"--exclude", "*.log", "--fail-fast"}, verdict{"Unknown Passed", []string{"--fail-fast"}, []string{"VK203 0"}}},
		"left out with its value apart":       {[]string{"--progress-interval", "100"}, verdict{"LeftOut", nil, []string{"VK211 0"}}},
		"limit that overflows":                {[]string{"--upload-speed=99999999999999999999EB"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"limit above the largest signed size": {[]string{"--upload-speed=9223372036854775809"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"limit of nothing":                    {[]string{"--upload-speed=0"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"limit below nothing":                 {[]string{"--upload-speed=-10MB"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"limit that is no size":               {[]string{"--upload-speed=fast"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"limit given by two names":            {[]string{"--upload-speed=1MB", "--max-upload-speed=2MB"}, verdict{"Translated Invalid", nil, []string{"VK205 0", "VK206 1"}}},
		"empty pattern":                       {[]string{"--ignore="}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"policy switch that is neither":       {[]string{"--one-file-system=inherit"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"policy switch and its negation":      {[]string{"--one-file-system", "--no-one-file-system"}, verdict{"Translated Invalid", nil, []string{"VK205 0", "VK206 1"}}},
		"negation of a pattern":               {[]string{"--no-ignore=x"}, verdict{"Unknown", nil, []string{"VK203 0"}}},
		"compression that does not exist":     {[]string{"--compression=zstandard"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
		"compression inherited":               {[]string{"--compression=inherit"}, verdict{"Invalid", nil, []string{"VK204 0"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, verdictOf(backup(t, test.args...))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTranslated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arg, applied, policy string
		up, down             int64
	}{
		"one file system":               {arg: "--one-file-system", applied: "files.oneFileSystem=true", policy: `{"files":{"oneFileSystem":true}}`},
		"one file system, said":         {arg: "--one-file-system=TRUE", applied: "files.oneFileSystem=true", policy: `{"files":{"oneFileSystem":true}}`},
		"one file system, negated":      {arg: "--no-one-file-system", applied: "files.oneFileSystem=false", policy: `{"files":{"oneFileSystem":false}}`},
		"cache directories":             {arg: "--ignore-cache-dirs", applied: "files.ignoreCacheDirs=true", policy: `{"files":{"ignoreCacheDirs":true}}`},
		"unreadable directories":        {arg: "--ignore-dir-errors", applied: "errorHandling.ignoreDirectoryErrors=true", policy: `{"errorHandling":{"ignoreDirectoryErrors":true}}`},
		"a pattern":                     {arg: "--ignore=*.LOG", applied: `files.ignore += "*.LOG"`, policy: `{"files":{"ignore":["*.LOG"]}}`},
		"a pattern with an equals sign": {arg: "--ignore=a=b", applied: `files.ignore += "a=b"`, policy: `{"files":{"ignore":["a=b"]}}`},
		"a pattern after a blank":       {arg: "--ignore /tmp/", applied: `files.ignore += "/tmp/"`, policy: `{"files":{"ignore":["/tmp/"]}}`},
		"the largest file":              {arg: "--max-file-size=1GiB", applied: "files.maxFileSize=1073741824", policy: `{"files":{"maxFileSize":1073741824}}`},
		"compression":                   {arg: "--compression=zstd", applied: "compression.compressorName=zstd", policy: `{"compression":{"compressorName":"zstd"}}`},
		"compression s2":                {arg: "--compression=s2", applied: "compression.compressorName=s2-default", policy: `{"compression":{"compressorName":"s2-default"}}`},
		"block size, decimal":           {arg: "--block-size=4MB", applied: "splitter.algorithm=FIXED-4M", policy: `{"splitter":{"algorithm":"FIXED-4M"}}`},
		"block size, binary":            {arg: "--block-size=128KiB", applied: "splitter.algorithm=FIXED-128K", policy: `{"splitter":{"algorithm":"FIXED-128K"}}`},
		"block size, bare":              {arg: "--block-size=1048576", applied: "splitter.algorithm=FIXED-1M", policy: `{"splitter":{"algorithm":"FIXED-1M"}}`},
		"upload, decimal":               {arg: "--upload-speed=10MB", applied: "upload limit 10000000 bytes/s", up: 10_000_000},
		"upload, binary":                {arg: "--upload-speed=10MiB", applied: "upload limit 10485760 bytes/s", up: 10_485_760},
		"upload, bare":                  {arg: "--upload-speed=1234", applied: "upload limit 1234 bytes/s", up: 1234},
		"download":                      {arg: "--download-speed=1.5kB", applied: "download limit 1500 bytes/s", down: 1500},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := backup(t, test.arg)
			if len(got.Arguments) != 1 || got.Arguments[0].Class != Translated || got.Arguments[0].Applied != test.applied || len(got.Pass) != 0 {
				t.Fatalf("%+v", got)
			}
			var policy string
			if len(got.Layers) == 1 {
				policy = string(got.Layers[0].Policy)
				if got.Layers[0].From != "spec.kopia.additionalArgs[0]" {
					t.Errorf("From = %q", got.Layers[0].From)
				}
			}
			if policy != test.policy || got.UploadBytesPerSecond != test.up || got.DownloadBytesPerSecond != test.down {
				t.Errorf("policy %s, up %d, down %d", policy, got.UploadBytesPerSecond, got.DownloadBytesPerSecond)
			}
			if got.Problems.HasErrors() || !strings.Contains(got.Problems[0].Message, "applied as "+test.applied) {
				t.Errorf("%+v", got.Problems)
			}
		})
	}
}

func TestParallelismAndTheArgument(t *testing.T) {
	t.Parallel()
	four := int32(4)
	tests := map[string]struct {
		args []string
		want verdict
	}{
		"the field alone":                 {nil, verdict{"", []string{"--parallel=4"}, nil}},
		"the argument wins":               {[]string{"--parallel=8"}, verdict{"Passed", []string{"--parallel=8"}, []string{"VK208 0"}}},
		"an unusable argument is no loss": {[]string{"--parallel=x"}, verdict{"Invalid", []string{"--parallel=4"}, []string{"VK204 0"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Classify(test.args, TableFor(DefaultVersion), Options{Parallelism: &four})
			if diff := cmp.Diff(test.want, verdictOf(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ arg, message string }{
		"misspelt":                     {"--block-sise=4MB", `"--block-sise=4MB" is not a flag that kopia 0.22 or this tool knows; did you mean "--block-size"?`},
		"upper case":                   {"--PARALLEL=16", `"--PARALLEL=16" is not a flag that kopia 0.22 or this tool knows; did you mean "--parallel"?`},
		"underscores":                  {"--one_file_system", `"--one_file_system" is not a flag that kopia 0.22 or this tool knows; did you mean "--one-file-system"?`},
		"restic's word":                {"--exclude=*.log", `"--exclude=*.log" is not a flag that kopia 0.22 or this tool knows; did you mean "--ignore"?`},
		"restic's other word":          {"--exclude-caches", `"--exclude-caches" is not a flag that kopia 0.22 or this tool knows; did you mean "--ignore-cache-dirs"?`},
		"misspelt negation":            {"--no-progres", `"--no-progres" is not a flag that kopia 0.22 or this tool knows; did you mean "--no-progress"?`},
		"the field's own name":         {"--parallelism=4", `"--parallelism=4" is not a flag that kopia 0.22 or this tool knows; did you mean "--parallel"?`},
		"misspelt setting of kopia":    {"--max-upload-sped=1MB", `"--max-upload-sped=1MB" is not a flag that kopia 0.22 or this tool knows; did you mean "--max-upload-speed"?`},
		"misspelt credential":          {"--pasword=hunter2", `"--pasword" is not a flag that kopia 0.22 or this tool knows`},
		"something else":               {"--ignore-inode-changes=hunter2", `"--ignore-inode-changes" is not a flag that kopia 0.22 or this tool knows`},
		"a policy":                     {"--add-never-compress=*.gz", `"--add-never-compress" is not a flag that kopia 0.22 or this tool knows for this command; in kopia it is a policy`},
		"retention":                    {"--keep-daily=7", `"--keep-daily" is not a flag that kopia 0.22 or this tool knows; it is a setting of retention`},
		"a restore's flag":             {"--skip-owners", `"--skip-owners" has no meaning for this operation: it is a flag of restores`},
		"one dash":                     {"-parallel=16", `"-p" is kopia's --password, which is not allowed here: credentials on a command line can be read by everyone on the node`},
		"left out":                     {"--read-buffer-size=32MB", `"--read-buffer-size=32MB" has no meaning in kopia 0.22 and is left out: kopia has no read buffer to set`},
		"translated":                   {"--one-file-system", `"--one-file-system" is a policy in kopia; applied as files.oneFileSystem=true`},
		"translated from two words":    {"--upload-speed 10MB", `"--upload-speed 10MB" is a limit of the connection in kopia; applied as upload limit 10000000 bytes/s`},
		"block size without splitter":  {"--block-size=3MB", `--block-size: kopia has no splitter for blocks of 3MB; the nearest is 2MB`},
		"block size far out":           {"--block-size=1TB", `--block-size: kopia has no splitter for blocks of 1TB; the nearest is 8MB`},
		"compression that is misspelt": {"--compression=zstd-fast", `--compression: "zstd-fast" is not a value that kopia knows; the nearest is "zstd-fastest"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := backup(t, test.arg).Problems
			if len(got) == 0 || got[0].Message != test.message {
				t.Errorf("want %s\ngot %+v", test.message, got)
			}
		})
	}
}

// What is shown of an argument is what was written.
func TestArgumentsAreKeptAsWritten(t *testing.T) {
	t.Parallel()
	got := backup(t, "--one-file-system=TRUE", "--ignore", "a b", "--tags=a:b", "--progress-interval 5").Arguments
	want := []Argument{
		{Index: 0, Entries: 1, Raw: "--one-file-system=TRUE", Flag: "--one-file-system", Value: "TRUE", Class: Translated, Applied: "files.oneFileSystem=true"},
		{Index: 1, Entries: 2, Raw: "--ignore a b", Flag: "--ignore", Value: "a b", Class: Translated, Applied: `files.ignore += "a b"`},
		{Index: 3, Entries: 1, Raw: "--tags=a:b", Flag: "--tags", Value: "a:b", Class: Passed, Applied: "--tags=a:b"},
		{Index: 4, Entries: 1, Raw: "--progress-interval 5", Flag: "--progress-interval", Value: "5", Class: LeftOut},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
