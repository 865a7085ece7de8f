package suite

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// canary is a text that stands in Secrets only. It is searched for as it is and
// in base64.
type canary struct {
	text  string
	forms []string
}

func newCanary() canary {
	c := canary{text: "canary" + rand.Text()[:12]}
	c.forms = []string{c.text}
	for before := range 3 { // it may begin at any of the three bytes of a group
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat(" ", before) + c.text))
		// A character at either end that other bytes have a part in is left out.
		c.forms = append(c.forms, encoded[(before*8+5)/6:(before+len(c.text))*8/6])
	}
	return c
}

// in returns the text around the canary; empty: it is not there.
func (c canary) in(text string) string {
	for _, form := range c.forms {
		if i := strings.Index(text, form); i >= 0 {
			return text[max(0, i-100):min(len(text), i+100)]
		}
	}
	return ""
}

// keys are all that a repository Secret may have, and some that mean nothing, each
// with the canary in its value.
func (c canary) keys() map[string]string {
	keys := map[string]string{
		"KOPIA_REPOSITORY":    "filesystem:///kopia/" + c.text,
		"KOPIA_MANUAL_CONFIG": `{"caching":{"cacheDirectory":"` + c.text + `-manual"}}`,
	}
	for _, key := range strings.Fields(`KOPIA_PASSWORD
		KOPIA_S3_BUCKET KOPIA_S3_ENDPOINT KOPIA_S3_REGION KOPIA_S3_DISABLE_TLS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
		AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_S3_ENDPOINT AWS_S3_DISABLE_TLS
		KOPIA_AZURE_CONTAINER KOPIA_AZURE_STORAGE_ACCOUNT KOPIA_AZURE_STORAGE_KEY AZURE_STORAGE_ACCOUNT AZURE_STORAGE_KEY AZURE_STORAGE_SAS_TOKEN
		AZURE_ACCOUNT_NAME AZURE_ACCOUNT_KEY AZURE_ACCOUNT_SAS AZURE_ENDPOINT_SUFFIX
		KOPIA_GCS_BUCKET GCS_BUCKET GOOGLE_PROJECT_ID GOOGLE_APPLICATION_CREDENTIALS GOOGLE_DRIVE_FOLDER_ID GOOGLE_DRIVE_CREDENTIALS
		KOPIA_B2_BUCKET B2_ACCOUNT_ID B2_APPLICATION_KEY WEBDAV_URL WEBDAV_USERNAME WEBDAV_PASSWORD
		SFTP_HOST SFTP_PORT SFTP_PATH SFTP_USERNAME SFTP_PASSWORD SFTP_KEY_FILE SFTP_KEY_DATA SFTP_KNOWN_HOSTS SFTP_KNOWN_HOSTS_DATA
		RCLONE_REMOTE_PATH RCLONE_EXE RCLONE_CONFIG KOPIA_UNKNOWN_TOKEN SOMETHING_ELSE some.file`) {
		keys[key] = c.text + "-" + key
	}
	return keys
}

// TestNoSecretIsInTheCluster: what stands in a Secret stands in no other object, no
// event and no pod's log, at no time of a run, and nowhere in the command's output.
func TestNoSecretIsInTheCluster(t *testing.T) {
	t.Parallel()
	c := newCanary()
	n := newSource(t, shape{CopyMethod: "Snapshot", Kopia: "    policyConfig: {secretName: policies}"})
	began := etcdRevision(t)
	logs := n.keepLogs()
	record := n.record()
	for key, value := range c.keys() {
		n.secretIs(key, value)
	}
	n.secret("policies", map[string]string{
		"global-policy.json": `{"files":{"ignore":["` + c.text + `-policy"]}}`, "unknown": c.text,
	})

	n.restrictedPod("application", "data", "sleep 100000")
	n.untilRunning("application")
	n.employ(strings.Fields(applicationHooks)...)

	n.tells(c, 0, "backup -f SOURCE --progress=plain --report-junit REPORT --report-markdown REPORT "+applicationHooks)
	n.copiesBy("Snapshot", "Clone")
	n.tells(c, 0, "backup -f SOURCE --progress=json -o json")
	n.tells(c, 0, "plan -f SOURCE --connect")
	n.tells(c, 0, "plan -f SOURCE --connect -o json")
	n.copiesBy("Clone", "Direct")
	n.looksOn(c)
	middle := etcdRevision(t) // etcd forgets, and this takes minutes on a busy machine
	states := etcdSince(t, began)
	n.secretIs("KOPIA_PASSWORD", c.text+"-wrong")
	n.tells(c, 7, "backup -f SOURCE --progress=tty --report-junit REPORT --report-markdown REPORT")
	n.tells(c, 7, "backup -f SOURCE --progress=none -o yaml")
	n.tells(c, 7, "plan -f SOURCE --connect")
	n.tells(c, 9, "status app -n NAMESPACE --exit-code")

	n.secretIs("KOPIA_PASSWORD", c.text+"-KOPIA_PASSWORD")
	n.secretIs("KOPIA_MANUAL_CONFIG", `{"compression":{"compressor":"`+c.text+`-compressor"}}`)
	n.tells(c, 3, "backup -f SOURCE")
	n.tells(c, 3, "backup -f SOURCE -o json")

	record.stop()
	pods := n.recorded(c, record)
	n.logged(c, logs.stop(), pods)
	n.stored(c, append(states, etcdSince(t, middle)...))
}

// applicationHooks run beside a backup, and say what they find.
const applicationHooks = "--exec-in pod/application --exec-before env --exec-after env"

// copiesBy changes the copyMethod of the source, in its file and in the cluster, and
// the rights that it takes.
func (n *space) copiesBy(old, method string) {
	n.t.Helper()
	n.edit("copyMethod: "+old, "copyMethod: "+method)
	n.patch("app", map[string]any{"spec": map[string]any{"kopia": map[string]any{"copyMethod": method}}})
	n.employ(strings.Fields(applicationHooks)...)
}

// looksOn runs what only looks at runs and sources, beside a run that goes on by
// itself and keeps its log.
func (n *space) looksOn(c canary) {
	n.t.Helper()
	var started result.Event
	n.must(json.Unmarshal([]byte(n.tells(c, 0, "backup -f SOURCE --detach -o json")), &started))
	for _, command := range []string{
		"runs logs RUN -n NAMESPACE --follow", "runs attach RUN -n NAMESPACE --progress=plain", "runs attach RUN -n NAMESPACE -o json",
		"runs show RUN -n NAMESPACE", "runs list -n NAMESPACE", "runs list -n NAMESPACE -o json",
		"status -n NAMESPACE -o wide", "status app -n NAMESPACE -o json", "doctor -f SOURCE", "doctor app -n NAMESPACE -o json",
		"plan facts -f SOURCE", "cleanup -n NAMESPACE",
	} {
		if n.tells(c, 0, strings.Replace(command, "RUN", started.RunID, 1)) == "" {
			n.t.Errorf("%s printed nothing", command)
		}
	}
}

// tells runs the command, fails the test when what it tells, on its streams or in
// reports, holds the canary, and returns its standard output. SOURCE stands for the
// manifest, NAMESPACE for the namespace, and each REPORT for a file.
func (n *space) tells(c canary, code int, command string) string {
	n.t.Helper()
	reports := n.t.TempDir()
	args := strings.Fields(strings.NewReplacer("SOURCE", n.file, "NAMESPACE", n.name).Replace(command))
	for i := range args {
		if args[i] == "REPORT" {
			args[i] = filepath.Join(reports, strconv.Itoa(i))
		}
	}
	end := call(n.t, args...)
	if end.code != code {
		n.t.Fatalf("%s: exit code %d, want %d\n%s\n%s", command, end.code, code, end.stdout, end.stderr)
	}
	told := map[string]string{"stdout": end.stdout, "stderr": end.stderr}
	for i, arg := range args {
		if filepath.Dir(arg) == reports {
			text, err := os.ReadFile(arg)
			n.must(err)
			told[args[i-1]] = string(text)
		}
	}
	for place, text := range told {
		if found := c.in(text); found != "" {
			n.t.Errorf("%s: %s has the canary: %s", command, place, found)
		}
	}
	return end.stdout
}

// holders are the Secrets that the canary was put into.
func holders() []string { return []string{"kopia-config", "policies"} }

// recorded fails the test when a state of an object holds the canary, or when the
// Secrets' do not. It returns the movers' pods that ran, by UID.
func (n *space) recorded(c canary, r *record) map[types.UID]string {
	n.t.Helper()
	pods, places := map[types.UID]string{}, map[string]bool{}
	for _, o := range r.all() {
		text, err := json.Marshal(o)
		n.must(err)
		place := o.GetKind() + "/" + o.GetName()
		if found := c.in(string(text)); found != "" && !places[place] {
			places[place] = true
			n.onlyHolder(place, "Secret/", found)
		}
		isMover := o.GetKind() == "Pod" && o.GetName() != "application"
		if status, _ := o.Object["status"].(map[string]any); isMover && status["containerStatuses"] != nil {
			pods[o.GetUID()] = o.GetName()
		}
	}
	n.allHolders(places, "Secret/")
	for place, o := range n.objects() { // those too that belong to no namespace
		text, err := json.Marshal(o)
		n.must(err)
		if found := c.in(string(text)); found != "" {
			n.onlyHolder(place, "secrets/", found)
		}
	}
	return pods
}

// stored is the same for what etcd was given, of all namespaces and of none.
func (n *space) stored(c canary, states []etcdState) {
	n.t.Helper()
	places, kinds := map[string]bool{}, map[string]bool{}
	for _, s := range states {
		if found := c.in(string(s.Value)); found != "" && !places[string(s.Key)] {
			places[string(s.Key)] = true
			n.onlyHolder(string(s.Key), "/registry/secrets/"+n.name+"/", fmt.Sprintf("%q", found))
		}
		if kind, _, mine := strings.Cut(string(s.Key), "/"+n.name+"/"); mine {
			kinds[strings.TrimPrefix(kind, "/registry/")] = true
		}
	}
	n.allHolders(places, "/registry/secrets/"+n.name+"/")
	for _, kind := range []string{
		"pods", "jobs", "events", "leases", "configmaps", "persistentvolumeclaims",
		"snapshot.storage.k8s.io/volumesnapshots", "volsync.backube/replicationsources",
	} {
		if !kinds[kind] {
			n.t.Errorf("etcd is said to have been given none of the namespace's %s, but %v", kind, kinds)
		}
	}
}

// onlyHolder fails the test unless the place is a Secret that the canary was put
// into.
func (n *space) onlyHolder(place, prefix, found string) {
	n.t.Helper()
	for _, name := range holders() {
		if place == prefix+name {
			return
		}
	}
	n.t.Errorf("%s has the canary: %s", place, found)
}

// allHolders fails the test unless the search has found the canary where it is.
func (n *space) allHolders(places map[string]bool, prefix string) {
	n.t.Helper()
	for _, name := range holders() {
		if !places[prefix+name] {
			n.t.Errorf("the search does not even find the canary in %s: %v", prefix+name, places)
		}
	}
}

// logged fails the test when a log holds the canary, or when the log of a pod that
// ran is not among them with what a mover always writes.
func (n *space) logged(c canary, logs map[types.UID]string, pods map[types.UID]string) {
	n.t.Helper()
	if len(pods) < 10 {
		n.t.Errorf("%d movers ran, want one for each command that asks or writes a repository: %v", len(pods), pods)
	}
	for uid, name := range pods {
		if !strings.Contains(logs[uid], "VK1 {") {
			n.t.Errorf("the log of pod %s was not seen whole:\n%s", name, logs[uid])
		}
	}
	for uid, log := range logs {
		if found := c.in(log); found != "" {
			n.t.Errorf("the log of pod %s has the canary: %s", pods[uid], found)
		}
	}
}

// TestTheCanaryIsFound: the search knows the forms that it is to know.
func TestTheCanaryIsFound(t *testing.T) {
	t.Parallel()
	c := newCanary()
	for before := range 4 {
		plain := strings.Repeat("x", before) + c.text + "-more"
		for _, text := range []string{plain, base64.StdEncoding.EncodeToString([]byte(plain)), base64.URLEncoding.EncodeToString([]byte(plain))} {
			if c.in("a "+text+" b") == "" {
				t.Errorf("%s is not found in %s", c.text, text)
			}
		}
	}
	if found := c.in("another " + c.text[1:]); found != "" {
		t.Errorf("found where it is not: %s", found)
	}
}
