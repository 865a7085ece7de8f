package acceptance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// TestRandomArgumentsArriveWhole takes random values from the manifest to the
// arguments of a real kopia and into its repository. VK_SEED repeats a run.
func TestRandomArgumentsArriveWhole(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("VK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("repeat with VK_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Seed(t)
	for round := range 3 {
		w.write(t, "x", strconv.Itoa(round))
		checkArriveWhole(t, w, random)
	}
}

// checkArriveWhole makes one backup with as many arguments as there may be.
func checkArriveWhole(t *testing.T, w *world, random *rand.Rand) {
	t.Helper()
	description := randomText(random)
	arguments := []string{"--description=" + description}
	tags := map[string]string{}
	for i := range argv.MaxArguments - 1 {
		key, value := fmt.Sprintf("key%d", i), randomText(random)
		arguments = append(arguments, "--tags="+key+":"+value)
		tags["tag:"+key] = value
	}
	random.Shuffle(len(arguments), func(i, j int) { arguments[i], arguments[j] = arguments[j], arguments[i] })
	list, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	results := w.mustBackup(t, w.files(t, "app", "additionalArgs: "+string(list))...)

	var passed []string
	for _, argument := range called(t, w.calls(t), "snapshot", "create") {
		if strings.HasPrefix(argument, "--description=") || strings.HasPrefix(argument, "--tags=key") {
			passed = append(passed, argument)
		}
	}
	if diff := cmp.Diff(arguments, passed); diff != "" {
		t.Errorf("the arguments of kopia (-want +got):\n%s", diff)
	}
	recorded, described := recordedTexts(t, w, results[0].Snapshot.ID)
	if described != description {
		t.Errorf("kopia recorded the description %q, want %q", described, description)
	}
	if diff := cmp.Diff(tags, recorded); diff != "" {
		t.Errorf("kopia recorded the tags (-want +got):\n%s", diff)
	}
}

// recordedTexts are the tags of a test, and the description, of a snapshot.
func recordedTexts(t *testing.T, w *world, id string) (tags map[string]string, description string) {
	t.Helper()
	type snapshot struct {
		ID, Description string
		Tags            map[string]string
	}
	var snapshots []snapshot
	out := w.repo.Run(t, "snapshot", "list", "--all", "--json")
	if err := json.Unmarshal([]byte(out), &snapshots); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := slices.IndexFunc(snapshots, func(s snapshot) bool { return s.ID == id })
	if at < 0 {
		t.Fatalf("snapshot %s is not listed:\n%s", id, out)
	}
	tags = map[string]string{}
	for key, value := range snapshots[at].Tags {
		if strings.HasPrefix(key, "tag:key") {
			tags[key] = value
		}
	}
	return tags, snapshots[at].Description
}

// randomText strings together what cut arguments at the original mover, and what
// shells, YAML, JSON and kopia's own parser give a meaning.
func randomText(random *rand.Rand) string {
	pieces := []string{
		"|VOLSYNC_ARG_SEP|", "VOLSYNC_ARG_SEP", "V", "O", "L", "S", "Y", "N", "C", "_", "A", "R", "G", "E", "P", "|", "||",
		" ", "  ", "\t", "\n", "\r\n", `"`, "'", "`", "$", "$HOME", "$(id)", "${PATH}", `\`, `\n`, "%s", "=", ":", "--password=", "-p ", ",", ";",
		"&", "<", ">", "*", "?", "~", "#", "!", "@", "{", "}", "[", "]", "é", "漢字", "\U0001f512", "\u2028", "\u00a0", "null", "0",
	}
	var text strings.Builder
	for range 1 + random.IntN(16) {
		text.WriteString(pieces[random.IntN(len(pieces))])
	}
	return text.String()
}
