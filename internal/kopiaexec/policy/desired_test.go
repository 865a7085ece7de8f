package policy

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func export(t testing.TB, text string) Export {
	t.Helper()
	e, err := ParseExport([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wish resolves a global file and one inline layer; empty: not given.
func wish(t testing.TB, global, inline string) Desired {
	t.Helper()
	in := Inputs{Source: testSource}
	if global != "" {
		in.Global = parse(t, "global-policy.json", global)
	}
	if inline != "" {
		in.Inline = []result.PolicyLayer{{From: "spec.kopia", Policy: json.RawMessage(inline)}}
	}
	r := Resolve(in, NamesFor(release.Default))
	if hasErrors(r.Notes) {
		t.Fatalf("%+v", r.Notes)
	}
	return r.Desired
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		global, inline, now string
		want                string
		changed             []string
		notManaged          []string
	}{
		"nothing wanted, nothing there": {now: `{}`, want: `{}`},
		"what kopia exports of an empty source": {
			now:  `{"app@prod:/data":{"retention":{},"files":{},"errorHandling":{},"scheduling":{"manual":true},"compression":{},"splitter":{},"actions":{},"logging":{"directories":{},"entries":{}},"upload":{}}}`,
			want: `{}`,
		},
		"a rule that left the manifest goes, other sections stay": {
			now:     `{"app@prod:/data":{"retention":{"keepDaily":3},"compression":{"compressorName":"zstd"},"scheduling":{"manual":true},"logging":{"entries":{"ignored":5}}}}`,
			inline:  `{"compression":{"compressorName":"zstd"}}`,
			want:    `{"app@prod:/data":{"compression":{"compressorName":"zstd"},"logging":{"entries":{"ignored":5}},"scheduling":{"manual":true}}}`,
			changed: []string{`app@prod:/data retention.keepDaily 3 ->  ()`},
		},
		"a value changes": {
			now:     `{"app@prod:/data":{"retention":{"keepDaily":3}}}`,
			inline:  `{"retention":{"keepDaily":4}}`,
			want:    `{"app@prod:/data":{"retention":{"keepDaily":4}}}`,
			changed: []string{`app@prod:/data retention.keepDaily 3 -> 4 (spec.kopia)`},
		},
		"zero is a value where kopia says so": {
			now:     `{"app@prod:/data":{"retention":{}}}`,
			inline:  `{"retention":{"keepDaily":0},"files":{"oneFileSystem":false}}`,
			want:    `{"app@prod:/data":{"files":{"oneFileSystem":false},"retention":{"keepDaily":0}}}`,
			changed: []string{`app@prod:/data files.oneFileSystem  -> false (spec.kopia)`, `app@prod:/data retention.keepDaily  -> 0 (spec.kopia)`},
		},
		"zero is nothing where kopia does not store it": {
			now:    `{"app@prod:/data":{"files":{}}}`,
			inline: `{"files":{"maxFileSize":0,"noParentIgnore":false,"ignore":[]},"compression":{"minSize":0,"compressorName":""}}`,
			want:   `{}`,
		},
		"global: named keys are set, all else is kept and listed": {
			global:  `{"retention":{"keepDaily":9},"files":{"ignore":["n"]}}`,
			now:     `{"(global)":{"retention":{"keepDaily":7,"keepLatest":10},"files":{"ignore":["o","p"],"ignoreDotFiles":[".k"]},"future":{"a":1e3,"b":"<&>"}},"x@y":{"retention":{"keepDaily":1}}}`,
			want:    `{"(global)":{"files":{"ignore":["n"],"ignoreDotFiles":[".k"]},"future":{"a":1e3,"b":"<&>"},"retention":{"keepDaily":9,"keepLatest":10}}}`,
			changed: []string{`(global) files.ignore set -> ["n"] (global-policy.json)`, `(global) retention.keepDaily 7 -> 9 (global-policy.json)`},

			notManaged: []string{"files.ignoreDotFiles", "future.a", "future.b", "retention.keepLatest"},
		},
		"global: an empty list replaces": {
			global: `{"files":{"ignore":[]}}`, now: `{"(global)":{"files":{"ignore":["o"]}}}`, want: `{"(global)":{"files":{}}}`,
			changed: []string{`(global) files.ignore set ->  (global-policy.json)`},
		},
		"global: not named by the manifest, not touched": {
			now: `{"(global)":{"retention":{"keepDaily":7}}}`, want: `{}`,
		},
		"a list of the source's own begins with the global one of the repository": {
			inline:  `{"files":{"ignore":["*.tmp","*.log"],"ignoreDotFiles":[".mine"]}}`,
			now:     `{"(global)":{"files":{"ignore":["*.log"],"ignoreDotFiles":[".kopiaignore"]}},"app@prod:/data":{"files":{"ignore":["*.tmp"]}}}`,
			want:    `{"app@prod:/data":{"files":{"ignore":["*.log","*.tmp"],"ignoreDotFiles":[".kopiaignore",".mine"]}}}`,
			changed: []string{"app@prod:/data files.ignore set -> set (the repository's global policy, spec.kopia)", "app@prod:/data files.ignoreDotFiles  -> set (the repository's global policy, spec.kopia)"},
		},
		"so it does when the global file does not name the list": {
			global:  `{"files":{"oneFileSystem":true}}`,
			inline:  `{"files":{"ignore":["*.tmp"]}}`,
			now:     `{"(global)":{"files":{"ignore":["*.log"],"oneFileSystem":true}}}`,
			want:    `{"app@prod:/data":{"files":{"ignore":["*.log","*.tmp"]}}}`,
			changed: []string{"app@prod:/data files.ignore  -> set (the repository's global policy, spec.kopia)"},

			notManaged: []string{"files.ignore"},
		},
		"with the global file's list it begins with that": {
			global:  `{"files":{"ignore":["*.o"]}}`,
			inline:  `{"files":{"ignore":["*.tmp"]}}`,
			now:     `{"(global)":{"files":{"ignore":["*.log"]}}}`,
			want:    `{"(global)":{"files":{"ignore":["*.o"]}},"app@prod:/data":{"files":{"ignore":["*.o","*.tmp"]}}}`,
			changed: []string{`(global) files.ignore set -> ["*.o"] (global-policy.json)`, `app@prod:/data files.ignore  -> ["*.o","*.tmp"] (global-policy.json, spec.kopia)`},
		},
		"and an empty one there leaves nothing to begin with": {
			global:  `{"files":{"ignore":[]}}`,
			inline:  `{"files":{"ignore":["*.tmp"]}}`,
			now:     `{"(global)":{"files":{"ignore":["*.log"]}}}`,
			want:    `{"(global)":{"files":{}},"app@prod:/data":{"files":{"ignore":["*.tmp"]}}}`,
			changed: []string{`(global) files.ignore set ->  (global-policy.json)`, `app@prod:/data files.ignore  -> ["*.tmp"] (global-policy.json, spec.kopia)`},
		},
		"numbers are compared by value": {
			inline: `{"files":{"maxFileSize":1000}}`, now: `{"app@prod:/data":{"files":{"maxFileSize":1e3}}}`, want: `{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired, now := wish(t, tc.global, tc.inline), export(t, tc.now)
			diff := desired.Diff(now)
			encoded, err := diff.Import.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(string(encoded)); got != tc.want {
				t.Errorf("import\n %s, want\n %s", got, tc.want)
			}
			var changed []string
			for _, c := range diff.Changes {
				changed = append(changed, c.Target+" "+c.Path+" "+c.Before+" -> "+c.After+" ("+c.From+")")
			}
			if d := cmp.Diff(tc.changed, changed); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tc.notManaged, diff.NotManaged); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(export(t, tc.now), now); d != "" {
				t.Errorf("the input was changed: %s", d)
			}
			settled(t, desired, now, diff)
		})
	}
}

// settled checks that importing the difference leaves none and keeps what is
// not the manifest's.
func settled(t *testing.T, desired Desired, now Export, diff Diff) {
	t.Helper()
	encoded, err := diff.Import.Encode()
	if err != nil {
		t.Fatal(err)
	}
	after := maps.Clone(now)
	if after == nil {
		after = Export{}
	}
	maps.Copy(after, export(t, string(encoded)))
	if again := desired.Diff(after); len(again.Import) != 0 || len(again.Changes) != 0 {
		t.Errorf("a second import is needed: %+v", again)
	}
	unset := sameAsUnset()
	for target := range now {
		had, has := leaves(now[target], unset), leaves(after[target], unset)
		for path, value := range had {
			if desired.manages(target, path) {
				continue
			}
			if text(value) != text(has[path]) {
				t.Errorf("%s %s was %s and is %s", target, path, text(value), text(has[path]))
			}
		}
	}
}

// manages reports whether the manifest may change the path.
func (d Desired) manages(target Target, path string) bool {
	section, _, _ := strings.Cut(path, ".")
	for set := range d.targets[target] {
		// Setting a value where a section or a scalar stood replaces that.
		if set == path || strings.HasPrefix(set, path+".") || strings.HasPrefix(path, set+".") {
			return true
		}
	}
	owned := map[string]bool{}
	for _, s := range ownedSections() {
		owned[s] = true
	}
	return target == d.source && owned[section]
}

func TestParseExportRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, input := range []string{``, `[]`, `{"a":1}`, `{} {}`, `{"a":{}`} {
		if _, err := ParseExport([]byte(input)); err == nil {
			t.Errorf("%q is accepted", input)
		}
	}
}

// FuzzTranslate: a document that is accepted is JSON, its translation is one that
// translates to itself without a remark, and importing what follows from it
// leaves nothing to import.
func FuzzTranslate(f *testing.F) {
	for _, seed := range []string{
		`{"retention":{"keepYearly":3,"keepDaily":1e1},"compression":{"compressor":"zstd","compressionLevel":9}}`,
		`{"files":{"ignore":["a"],"dotIgnoreFiles":[]},"splitter":{"algorithm":"FIXED"},"scheduling":{"uploadParallelism":1,"interval":"1h"}}`,
		`{"actions":{"beforeFolder":{"script":"x","timeout":1.0,"mode":""}},"upload":{"parallelUploadAboveSize":0}}`,
		`{"compression":{"compressor":"s2"},"encryption":null,"a":{"b":[{}]},"noParent":true}`,
		`{"logging":{"entries":{"ignored":5}},"osSnapshots":{"volumeShadowCopy":{"enable":1}}}`,
		`{"a":1,}`, `[`, "{\"\\ud800\":1}", `{"":{"~":0}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		doc, syntax := ParseDocument("p.json", []byte(input))
		if syntax != nil {
			if syntax.Line < 1 || syntax.Column < 1 || syntax.Message == "" {
				t.Fatalf("no place or no reason: %+v", syntax)
			}
			return
		}
		if !json.Valid([]byte(input)) {
			t.Fatalf("accepted, but encoding/json does not: %q", input)
		}
		names := NamesFor(release.Default)
		once, _ := translate(doc, names, false)
		twice, notes := translate(parse(t, "p.json", text(once)), names, false)
		for _, n := range notes {
			if n.Severity != "info" {
				t.Errorf("the translation of %q is not clean: %+v", input, n)
			}
		}
		if text(once) != text(twice) {
			t.Errorf("%q: %s, then %s", input, text(once), text(twice))
		}
		structured := Resolve(Inputs{Source: testSource, Structured: doc, Manual: doc, RepositoryConfig: doc}, names)
		settled(t, structured.Desired, Export{}, structured.Desired.Diff(Export{}))
	})
}

// FuzzDiff: whatever a repository holds and the manifest wants, importing the
// difference leaves none.
func FuzzDiff(f *testing.F) {
	f.Add(`{"files":{"ignore":["a"]}}`, `{"retention":{"keepDaily":1}}`, `{"app@prod:/data":{"retention":{"keepDaily":2},"x":{"y":[]}},"(global)":{"files":{"ignore":["b"]},"z":1.50}}`)
	f.Add(`{"noParent":false}`, `{}`, `{"app@prod:/data":{"retention":5},"(global)":{"files":"odd","noParent":true}}`)
	f.Add(`{"actions":{}}`, `{"splitter":{"algorithm":"FIXED"}}`, `{"(global)":null,"a@b":{"c":null}}`)
	f.Fuzz(func(t *testing.T, global, inline, exported string) {
		doc, syntax := ParseDocument("g.json", []byte(global))
		now, err := ParseExport([]byte(exported))
		if syntax != nil || err != nil {
			return
		}
		desired := Resolve(Inputs{
			Source: testSource, Global: doc, Inline: []result.PolicyLayer{{From: "i", Policy: json.RawMessage(inline)}},
		}, NamesFor(release.Default)).Desired
		settled(t, desired, now, desired.Diff(now))
	})
}
