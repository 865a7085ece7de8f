package plan_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func nameKinds() map[plan.NameKind]int {
	return map[plan.NameKind]int{plan.NameSource: 63, plan.NameCache: 63, plan.NameStatus: 63, plan.NameCron: 52}
}

func object(namespace, name string) result.ObjectRef {
	return result.ObjectRef{Kind: "ReplicationSource", Namespace: namespace, Name: name}
}

// checkName asks apimachinery itself whether the name will do for each kind of
// object and as a label value.
func checkName(t *testing.T, name string, limit int) {
	t.Helper()
	if len(name) > limit {
		t.Errorf("%q has %d characters, more than %d", name, len(name), limit)
	}
	for _, msg := range validation.IsDNS1123Label(name) {
		t.Errorf("%q is no DNS label: %s", name, msg)
	}
	for _, msg := range validation.IsValidLabelValue(name) {
		t.Errorf("%q is no label value: %s", name, msg)
	}
	for _, msg := range apivalidation.NameIsDNSSubdomain(name, false) {
		t.Errorf("%q is no object name: %s", name, msg)
	}
}

func TestNamesAreValidForEveryKindInTheWorstCases(t *testing.T) {
	t.Parallel()
	for what, name := range map[string]string{
		"a short name":                  "app",
		"dots":                          "my.app.v1",
		"253 characters":                strings.Repeat("a", 253),
		"253 characters, cut at a dash": strings.Repeat("a", 34) + strings.Repeat("-", 218) + "b",
		"only dots and dashes inside":   "a" + strings.Repeat(".-", 125) + "b",
		"upper case from a local file":  "My_App",
		"nothing that a name may hold":  "_._",
		"no name at all":                "",
	} {
		for kind, limit := range nameKinds() {
			for _, run := range []string{"", "20261122-2105-x7k2q", "20261122-2105-" + strings.Repeat("z", 40)} {
				if kind == plan.NameCron && run != "" {
					continue // a CronJob belongs to no run
				}
				t.Run(what+"/"+string(kind)+"/"+run, func(t *testing.T) {
					t.Parallel()
					checkName(t, plan.Name(kind, object("prod", name), run), limit)
				})
			}
		}
		for _, msg := range validation.IsValidLabelValue(plan.SourceLabel(object("prod", name))) {
			t.Errorf("%s: source label: %s", what, msg)
		}
	}
}

func TestAShortNameStaysReadable(t *testing.T) {
	t.Parallel()
	// 10 hex of sha256("ReplicationSource/prod/postgres"), computed with sha256sum.
	const want = "vk-src-postgres-a41192fa83-x7k2q"
	if got := plan.Name(plan.NameSource, object("prod", "postgres"), "20261122-2105-x7k2q"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamesOfDifferentObjectsDiffer(t *testing.T) {
	t.Parallel()
	const alphabet = "ab.-"
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, 1+random.IntN(120))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return "a" + string(b) + "z"
	}
	owner := map[string]result.ObjectRef{}
	for range 5000 {
		obj := object(word(), word())
		for kind, limit := range nameKinds() {
			name := plan.Name(kind, obj, "")
			if other, taken := owner[name]; taken && other != obj {
				t.Fatalf("%v and %v share the name %q", obj, other, name)
			}
			owner[name] = obj
			if len(name) > limit || len(validation.IsDNS1123Label(name)) > 0 {
				t.Fatalf("%v gives the bad name %q", obj, name)
			}
		}
	}
}

func TestNamesThatDifferOnlyInWhatIsCutOrReplacedDiffer(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]result.ObjectRef{
		{object("prod", "my.app"), object("prod", "my-app")},
		{object("prod", "app"), object("test", "app")},
		{object("prod", strings.Repeat("a", 252)+"b"), object("prod", strings.Repeat("a", 252)+"c")},
		{object("prod", "app"), {Kind: "ReplicationDestination", Namespace: "prod", Name: "app"}},
	} {
		if plan.Name(plan.NameSource, pair[0], "r") == plan.Name(plan.NameSource, pair[1], "r") {
			t.Errorf("%v and %v share a name", pair[0], pair[1])
		}
		if plan.SourceLabel(pair[0]) == plan.SourceLabel(pair[1]) {
			t.Errorf("%v and %v share a label", pair[0], pair[1])
		}
	}
}
