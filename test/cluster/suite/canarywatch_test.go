package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// keptLogs are the logs of a namespace's pods, which the kubelet removes with them.
type keptLogs struct {
	n      *space
	cancel context.CancelFunc
	wait   sync.WaitGroup
	files  map[string]*os.File
}

// keepLogs begins to open each log that a pod of the namespace gets: an open file
// can be read when it is removed.
func (n *space) keepLogs() *keptLogs {
	n.t.Helper()
	ctx, cancel := context.WithCancel(n.t.Context())
	k := &keptLogs{n: n, cancel: cancel, files: map[string]*os.File{}}
	k.wait.Go(func() {
		for ctx.Err() == nil {
			k.open()
			time.Sleep(50 * time.Millisecond)
		}
	})
	n.t.Cleanup(func() {
		k.cancel()
		k.wait.Wait()
		for _, file := range k.files {
			_ = file.Close()
		}
	})
	return k
}

// open opens the logs that are new: NAMESPACE_POD_UID/CONTAINER/RESTARTS.log.
func (k *keptLogs) open() {
	paths, err := filepath.Glob(filepath.Join(shared.dir, "log", "pods", k.n.name+"_*", "*", "*.log"))
	if err != nil {
		k.n.t.Error(err)
	}
	for _, path := range paths {
		if k.files[path] != nil {
			continue
		}
		if file, err := os.Open(path); err == nil { // else it is gone, and missed in the end
			k.files[path] = file
		}
	}
}

// stop returns what the logs hold, by the pod's UID.
func (k *keptLogs) stop() map[types.UID]string {
	k.n.t.Helper()
	k.cancel()
	k.wait.Wait()
	k.open()
	logs := map[types.UID]string{}
	for path, file := range k.files {
		text, err := io.ReadAll(file)
		k.n.must(err)
		pod := filepath.Base(filepath.Dir(filepath.Dir(path)))
		logs[types.UID(pod[strings.LastIndex(pod, "_")+1:])] += string(text)
	}
	return logs
}

// etcdState is a value that a key of etcd was given.
type etcdState struct {
	Key         []byte `json:"key"`
	Value       []byte `json:"value"`
	ModRevision int64  `json:"mod_revision,string"`
}

// allKeys is how etcd names the range of all keys.
var allKeys = []byte{0} //nolint:gochecknoglobals // a constant

// etcdRevision is etcd's present revision.
func etcdRevision(t testing.TB) int64 {
	t.Helper()
	answer := etcd(t.Context(), t, "kv/range", map[string]any{"key": allKeys, "range_end": allKeys, "count_only": true})
	defer answer.Close()
	var body struct {
		Header struct {
			Revision int64 `json:"revision,string"`
		} `json:"header"`
	}
	if err := json.NewDecoder(answer).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Header.Revision
}

// etcdSince are all states that keys were given from a revision until now, those
// too that are gone. etcd has them for five minutes, when the API server lets it
// forget.
func etcdSince(t testing.TB, revision int64) []etcdState {
	t.Helper()
	until := etcdRevision(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := etcd(ctx, t, "watch", map[string]any{"create_request": map[string]any{
		"key": allKeys, "range_end": allKeys, "start_revision": revision,
	}})
	defer answer.Close()
	var states []etcdState
	for decoder := json.NewDecoder(answer); ; {
		seen, err := nextStates(decoder)
		if err != nil {
			t.Fatalf("watch etcd from revision %d to %d: %v", revision, until, err)
		}
		states = append(states, seen...)
		if len(states) > 0 && states[len(states)-1].ModRevision >= until {
			return states
		}
	}
}

// nextStates reads one message of a watch.
func nextStates(decoder *json.Decoder) ([]etcdState, error) {
	var message struct {
		Result struct {
			Canceled     bool   `json:"canceled"`
			CancelReason string `json:"cancel_reason"`
			Events       []struct {
				State etcdState `json:"kv"`
			} `json:"events"`
		} `json:"result"`
	}
	if err := decoder.Decode(&message); err != nil {
		return nil, err
	}
	if message.Result.Canceled {
		return nil, errors.New("etcd ended it: " + message.Result.CancelReason)
	}
	states := make([]etcdState, len(message.Result.Events))
	for i, event := range message.Result.Events {
		states[i] = event.State
	}
	return states, nil
}

// etcd asks etcd over HTTP, at the port that the cluster's folder names.
func etcd(ctx context.Context, t testing.TB, path string, body any) io.ReadCloser {
	t.Helper()
	var state struct{ Ports struct{ EtcdClient int } }
	text, err := os.ReadFile(filepath.Join(shared.dir, "cluster.json"))
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/v3/%s", state.Ports.EtcdClient, path)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, answer.Status)
	}
	return answer.Body
}
