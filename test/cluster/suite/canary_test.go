package suite

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
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

	n.tells(c, 0, "backup", "--progress=plain")
	n.tells(c, 0, "backup", "--progress=json", "-o", "json")
	n.tells(c, 0, "plan", "--connect")
	n.tells(c, 0, "plan", "--connect", "-o", "json")
	n.secretIs("KOPIA_PASSWORD", c.text+"-wrong")
	n.tells(c, 7, "backup", "--progress=tty")
	n.tells(c, 7, "backup", "--progress=none", "-o", "yaml")
	n.tells(c, 7, "plan", "--connect")

	n.secretIs("KOPIA_PASSWORD", c.text+"-KOPIA_PASSWORD")
	n.secretIs("KOPIA_MANUAL_CONFIG", `{"compression":{"compressor":"`+c.text+`-compressor"}}`)
	n.tells(c, 3, "backup")
	n.tells(c, 3, "backup", "-o", "json")

	record.stop()
	pods := n.recorded(c, record)
	n.logged(c, logs.stop(), pods)
	n.stored(c, etcdSince(t, began))
}

// tells runs the command on the manifest, and fails the test when its output holds
// the canary.
func (n *space) tells(c canary, code int, name string, args ...string) {
	n.t.Helper()
	end := call(n.t, append([]string{name, "-f", n.file}, args...)...)
	if end.code != code {
		n.t.Fatalf("%s %v: exit code %d, want %d\n%s\n%s", name, args, end.code, code, end.stdout, end.stderr)
	}
	for stream, text := range map[string]string{"stdout": end.stdout, "stderr": end.stderr} {
		if found := c.in(text); found != "" {
			n.t.Errorf("%s %v: %s has the canary: %s", name, args, stream, found)
		}
	}
}

// holders are the Secrets that the canary was put into.
func holders() []string { return []string{"kopia-config", "policies"} }

// recorded fails the test when a state of an object holds the canary, or when the
// Secrets' do not. It returns the pods that ran, by UID.
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
		if status, _ := o.Object["status"].(map[string]any); o.GetKind() == "Pod" && status["containerStatuses"] != nil {
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
	if len(pods) < 9 {
		n.t.Errorf("%d pods ran, want one for each command: %v", len(pods), pods)
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
