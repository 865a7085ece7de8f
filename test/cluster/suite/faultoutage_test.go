package suite

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

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
			name: "API server down at the status write", live: true,
			meet: func(f *faulted) ended { return f.downAt("PATCH replicationsources/status", 5*time.Second) },
			code: 0, says: "proved",
		},
		{
			name: "API server down at the history write",
			meet: func(f *faulted) ended { return f.downAt("POST configmaps", 5*time.Second) },
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

// downAt runs a backup, and closes the door at its first request of the name for
// some time.
func (f *faulted) downAt(request string, how time.Duration) ended {
	f.t.Helper()
	p := newProxy(f.t)
	d := newDoor(f.t, p.kubeconfig)
	var once sync.Once
	var broken int
	reopened := make(chan error, 1)
	p.spoil = func(_ http.ResponseWriter, _ *http.Request, change int) bool {
		if change == 0 || p.seen()[change-1] != request {
			return false
		}
		down := false
		once.Do(func() {
			down, broken = true, d.shut()
			time.AfterFunc(how, func() { reopened <- d.unlock() })
		})
		if down {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	began := time.Now()
	end := f.begins(d.kubeconfig).wait()
	select {
	case err := <-reopened:
		f.must(err)
	default:
		f.t.Fatalf("the command has ended without %s, or before the API server was back: %v\n%s", request, p.seen(), end.stderr)
	}
	again := strings.Count(strings.Join(p.seen(), "\n")+"\n", request+"\n")
	f.shows("%d connections broken at %s, then refused for %s; it was sent %d times; the run took %s",
		broken, request, how, again, time.Since(began).Round(time.Second))
	if again < 2 {
		f.t.Fatalf("%s was not sent again", request)
	}
	return end
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
