package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// mustParse parses one file that has no problems.
func mustParse(t *testing.T, text string, opts Options) *Set {
	t.Helper()
	set, problems := Parse([]Input{{Name: "in.yaml", Data: []byte(text)}}, opts)
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", write(problems))
	}
	return set
}

const header = "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata:\n  name: app\n  namespace: prod\n"

const policies = `# a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: policies}
data:
  plain.json: '{"a": 1}'
  literal.json: |
    {

      "é": tru,
    }
  kept.json: |2+
      indented

  "quoted key": x
`

func TestPositionFindsTheFieldOrItsNearestAncestor(t *testing.T) {
	t.Parallel()
	set := mustParse(t, header+`spec:
  sourcePVC: data
  kopia:
    repository: &repo kopia-config
    hostname: *repo
    customCA:
    additionalArgs:
      - "--parallel=4"
      - --one-file-system
    moverPodLabels: {"example.com/team": a}
`, Options{})
	for path, want := range map[string]string{
		"":                                  "in.yaml:1:1",
		"kind":                              "in.yaml:2:7",
		"spec.sourcePVC":                    "in.yaml:7:14",
		"spec.kopia":                        "in.yaml:8:3",
		"spec.kopia.repository":             "in.yaml:9:17",
		"spec.kopia.hostname":               "in.yaml:10:15",
		"spec.kopia.customCA":               "in.yaml:11:5",
		"spec.kopia.customCA.key":           "in.yaml:11:5",
		"spec.kopia.additionalArgs":         "in.yaml:12:5",
		"spec.kopia.additionalArgs[0]":      "in.yaml:13:9",
		"spec.kopia.additionalArgs[1]":      "in.yaml:14:9",
		"spec.kopia.additionalArgs[7]":      "in.yaml:12:5",
		"spec.kopia.retain.daily":           "in.yaml:8:3",
		"spec.trigger.schedule":             "in.yaml:6:1",
		"spec.kopia.additionalArgs.nothing": "in.yaml:12:5",
		"spec.kopia.repository[0]":          "in.yaml:9:17",
		"spec.kopia[x":                      "in.yaml:8:3",
		"nothing":                           "in.yaml:1:1",
		`spec.kopia.moverPodLabels["example.com/team"]`: "in.yaml:15:42",
	} {
		if got := set.Documents[0].Position(path).String(); got != want {
			t.Errorf("position of %q is %s, want %s", path, got, want)
		}
	}
}

func TestPositionInFindsCharactersOfALiteralBlock(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"with line feeds":       policies,
		"with carriage returns": strings.ReplaceAll(policies, "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, problems := Parse([]Input{{Name: "in.yaml", Data: []byte(text)}}, Options{})
			if len(problems) != 1 {
				t.Fatalf("only the quoted key is wrong:\n%s", write(problems))
			}
			doc := set.Documents[0]
			for _, c := range []struct {
				path      string
				line, col int
				want      string
			}{
				{`data["literal.json"]`, 1, 1, "in.yaml:9:5"},
				{`data["literal.json"]`, 3, 8, "in.yaml:11:12"},
				{`data["literal.json"]`, 4, 2, "in.yaml:12:6"},
				{`data["literal.json"]`, 5, 1, "in.yaml:12:6"},  // the end of the text
				{`data["literal.json"]`, 9, 1, "in.yaml:8:17"},  // outside of it
				{`data["literal.json"]`, 1, 90, "in.yaml:8:17"}, // outside of it
				{`data["plain.json"]`, 1, 3, "in.yaml:7:15"},
				{`data["kept.json"]`, 1, 1, "in.yaml:14:5"}, // the value itself begins with two blanks
				{`data["absent"]`, 1, 1, "in.yaml:6:1"},
			} {
				if got := doc.PositionIn(c.path, c.line, c.col).String(); got != c.want {
					t.Errorf("%s %d:%d is at %s, want %s", c.path, c.line, c.col, got, c.want)
				}
			}
		})
	}
}

func TestDataPathNamesTheObjectThatHoldsTheKey(t *testing.T) {
	t.Parallel()
	set := mustParse(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: Yg==}\nstringData: {b: c}\n", Options{})
	doc := set.Documents[0]
	for key, want := range map[string]string{"a": `data["a"]`, "b": `stringData["b"]`, "c": "data"} {
		if got := doc.DataPath(key); got != want {
			t.Errorf("DataPath(%q) = %s, want %s", key, got, want)
		}
	}
	if got := string(doc.Secret.Data["b"].Reveal()); got != "c" {
		t.Errorf("stringData must win over data, got %q", got)
	}
	if got := string(doc.Secret.Data["a"].Reveal()); got != "a" {
		t.Errorf("data must be decoded, got %q", got)
	}
}

func TestADocumentMadeByHandHasItsOwnPosition(t *testing.T) {
	t.Parallel()
	at := problem.Position{File: "made.yaml", Line: 3}
	doc := &Document{At: at, ConfigMap: &ConfigMap{}}
	if doc.Position("x") != at || doc.PositionIn("x", 1, 1) != at || doc.DataPath("x") != "data" {
		t.Error("a document without nodes must fall back to At")
	}
	if (&Document{}).Kind() != "" || (&Document{}).Metadata() == nil {
		t.Error("an empty document must not panic")
	}
}

func TestLookupsPreferTheVeryNamespace(t *testing.T) {
	t.Parallel()
	object := func(kind, namespace, value string) string {
		return "---\napiVersion: v1\nkind: " + kind + "\nmetadata: {name: x, namespace: \"" + namespace + "\"}\ndata: {v: " + value + "}\n"
	}
	set := mustParse(t, object("ConfigMap", "", "any")+object("ConfigMap", "prod", "prod")+object("ConfigMap", "dev", "dev")+object("Secret", "dev", "YQ=="), Options{})
	for namespace, want := range map[string]string{"prod": "prod", "dev": "dev", "": "any", "test": "any"} {
		if got := set.ConfigMapFor(namespace, "x").ConfigMap.Data["v"]; got != want {
			t.Errorf("in %q the ConfigMap of %q was found, want %q", namespace, got, want)
		}
	}
	if set.SecretFor("prod", "x") != nil {
		t.Error("a Secret of another namespace was found")
	}
	if set.SecretFor("", "x") == nil {
		t.Error("an empty namespace must match any")
	}
	if set.SecretFor("dev", "y") != nil {
		t.Error("a Secret of another name was found")
	}
}

func TestObjectsAreNamedForTheReader(t *testing.T) {
	t.Parallel()
	text := header + "---\n" + strings.NewReplacer("Source", "Destination", "  namespace: prod\n", "").Replace(header) +
		"---\n" + strings.Replace(header, "ReplicationSource", "KopiaMaintenance", 1) +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	set := mustParse(t, text, Options{})
	var got []string
	for _, d := range set.Documents {
		got = append(got, d.At.String()+" "+d.Object())
	}
	want := []string{
		"in.yaml:1:1 ReplicationSource prod/app",
		"in.yaml:7:1 ReplicationDestination app",
		"in.yaml:12:1 KopiaMaintenance prod/app",
		"in.yaml:18:1 Secret s",
		"in.yaml:22:1 ConfigMap c",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(set.Sources()) != 1 || len(set.Destinations()) != 1 || len(set.Maintenances()) != 1 {
		t.Error("a kind was not found")
	}
}

func TestTheStatusOfASavedManifestSaysThatItHasSynced(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"":                                    false,
		"status:\n":                           false,
		"status: []\n":                        false,
		"status: word\n":                      false,
		"status: {lastSyncTime: {a: b}}\n":    false,
		"status: {lastSyncTime: null}\n":      false,
		"status: {lastSyncTime: ''}\n":        false,
		"status: {lastManualSync: x}\n":       false,
		"status:\n  lastSyncTime: 2026-01-02": true,
	} {
		set := mustParse(t, header+"spec: {sourcePVC: a, kopia: {repository: r}}\n"+status, Options{})
		if got := set.Documents[0].HasSynced(); got != want {
			t.Errorf("%q: %v, want %v", status, got, want)
		}
	}
}
