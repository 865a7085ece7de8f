package suite

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// outageFaults are times in which nothing listens at the API server's address.
func outageFaults() []faultRow {
	return []faultRow{
		{
			name: "API server down while the snapshot is awaited", snapshots: map[string]string{csidriver.SnapshotReadyAfter: "12s"},
			meet: func(f *faulted) ended {
				d := newDoor(f.t, f.kubeconfig)
				p := f.begins(d.kubeconfig)
				f.happened("volumesnapshots", `"readyToUse":false`)
				f.outage(d, p, 6*time.Second)
				return p.wait()
			},
			mend: (*faulted).ordinary,
			code: 0, says: "proved",
		},
		{
			name: "API server down while the mover runs", shape: slow("1MB"), given: func(f *faulted) { f.random("big", 24) },
			meet: func(f *faulted) ended {
				d := newDoor(f.t, f.kubeconfig)
				p := f.begins(d.kubeconfig)
				f.uploading()
				f.outage(d, p, 6*time.Second)
				return p.wait()
			},
			mend: (*faulted).hurry,
			code: 0, says: "proved",
		},
		{
			name: "API server down when the start is noted", live: true,
			meet: func(f *faulted) ended { return f.downAt("POST configmaps", 1, `started\.`) },
			code: 0, says: "proved",
		},
		{ // the first is the note of the start
			name: "API server down at the status write", live: true,
			meet: func(f *faulted) ended {
				return f.downAt("PATCH replicationsources/status", 2, `"lastSyncTime":"`)
			},
			code: 0, says: "proved",
		},
		{ // the first finds no history yet, which a POST then makes for the note of the start
			name: "API server down at the history write", live: true,
			meet: func(f *faulted) ended { return f.downAt("PATCH configmaps", 2, `"history\.json":".*Succeeded`) },
			code: 0, says: "proved",
		},
	}
}

// outage closes the door for some time, while the command runs.
func (f *faulted) outage(d *door, p *running, how time.Duration) {
	f.t.Helper()
	before, broken := d.passed(), d.shut()
	_, err := net.Dial("tcp", d.address)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		f.t.Fatalf("the API server is not down: %v", err)
	}
	time.Sleep(how)
	select {
	case <-p.done:
		f.t.Fatalf("the command has ended while the API server was down:\n%s%s", p.stdout, p.stderr)
	default:
	}
	f.must(d.unlock())
	f.until("the command is back", func(context.Context) bool { return d.passed() > before || isDone(p) })
	f.shows("%d connections broken, then refused for %s", broken, how)
	if broken == 0 {
		f.t.Fatal("no connection was open")
	}
}

// downAt runs a backup, and closes the door for some time at its request of the name
// that is the nth, which must be the one whose body the pattern matches. Its
// outcome must then be where it belongs.
func (f *faulted) downAt(request string, nth int, is string) ended {
	f.t.Helper()
	const how = 5 * time.Second
	p := newProxy(f.t)
	d := newDoor(f.t, p.kubeconfig)
	point := killPoint{name: request, time: nth}
	var once sync.Once
	var sent []byte
	var broken int
	reopened := make(chan error, 1)
	p.spoil = func(_ http.ResponseWriter, r *http.Request, change int) bool {
		if change == 0 || !point.is(p.seen()[:change]) {
			return false
		}
		down := false
		once.Do(func() {
			down = true
			sent, _ = io.ReadAll(r.Body) // what is missing is not found in it
			broken = d.shut()
			time.AfterFunc(how, func() { reopened <- d.unlock() })
		})
		if down {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	end := f.begins(d.kubeconfig).wait()
	select {
	case err := <-reopened:
		f.must(err)
	default:
		f.t.Fatalf("the command has ended without %s %d, or before the API server was back: %v\n%s", request, nth, p.seen(), end.stderr)
	}
	if !regexp.MustCompile(is).Match(sent) {
		f.t.Fatalf("%s %d is not the request that was meant, for it has no %s:\n%s", request, nth, is, sent)
	}
	again := strings.Count(strings.Join(p.seen(), "\n")+"\n", request+"\n") - nth
	f.shows("%s %d, which says %s: %d connections broken, then refused for %s; sent again %d times", request, nth, is, broken, how, again)
	if again < 1 {
		f.t.Fatalf("%s was not sent again", request)
	}
	f.written(end)
	return end
}

// written fails the test unless the success stands in the live status, in the history and
// in one Event, all written by the command that has ended.
func (f *faulted) written(end ended) {
	f.t.Helper()
	r := end.result(f.t, 0)
	if s := f.status("app"); s.LastSyncTime == nil || s.LatestMoverStatus.Result != "Successful" {
		f.t.Errorf("the status is %+v", s)
	}
	if told := f.history(); len(told) != 1 || told[0].RunID != r.RunID || told[0].Outcome != result.Succeeded {
		f.t.Errorf("the history is %+v", told)
	}
	f.oneEvent(r)
	f.remembers("Succeeded")
}

// isDone reports whether the command has ended.
func isDone(p *running) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// door passes connections on, and refuses them while it is shut.
type door struct {
	// kubeconfig leads through the door, address is the door's own.
	kubeconfig, address string
	target              string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	count    int
}

// newDoor puts a door before the server of a kubeconfig, until the test ends.
func newDoor(t testing.TB, kubeconfig string) *door {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{address: "127.0.0.1:0", open: map[net.Conn]bool{}, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	for _, cluster := range config.Clusters {
		server, err := url.Parse(cluster.Server)
		if err != nil {
			t.Fatal(err)
		}
		d.target = server.Host
		if err := d.unlock(); err != nil {
			t.Fatal(err)
		}
		server.Host = d.address
		cluster.Server = server.String()
	}
	t.Cleanup(func() { d.shut() })
	if err := clientcmd.WriteToFile(*config, d.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return d
}

// unlock lets connections through, at the same address as before.
func (d *door) unlock() error {
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listener, d.address = listener, listener.Addr().String()
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go d.pass(in)
		}
	}()
	return nil
}

// shut breaks all connections, and refuses new ones. It returns how many it broke.
func (d *door) shut() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.listener.Close() // it may be shut
	broken := 0
	for c := range d.open {
		_ = c.Close()
		broken++
	}
	clear(d.open)
	return broken
}

// passed is how many connections were let through so far.
func (d *door) passed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// pass copies both ways until either end is closed.
func (d *door) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", d.target)
	if err != nil {
		return
	}
	defer out.Close()
	d.mu.Lock()
	d.open[in] = true
	d.count++
	d.mu.Unlock()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	d.mu.Lock()
	delete(d.open, in)
	d.mu.Unlock()
}
