package k8s

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestALogIsReadOnceHoweverOftenItsStreamBreaks gives the streams that a kubelet
// gives after a break: whole seconds back, so that lines come again, several of
// them with one time.
func TestALogIsReadOnceHoweverOftenItsStreamBreaks(t *testing.T) {
	t.Parallel()
	const (
		a  = "2026-11-24T02:47:41.100000001Z a\n"
		b1 = "2026-11-24T02:47:41.200000000Z b1\n"
		b2 = "2026-11-24T02:47:41.200000000Z b2\n"
		c  = "2026-11-24T02:47:41.3Z c\n" // the kubelet leaves zeros at the end out
		d  = "2026-11-24T02:47:42.000000000Z d with  spaces \n"
	)
	cases := map[string][]string{
		"unbroken":                         {a + b1 + b2 + c + d},
		"broken between two of one time":   {a + b1, a + b1 + b2 + c + d},
		"broken after two of one time":     {a + b1 + b2, a + b1 + b2 + c + d},
		"broken twice":                     {a, a + b1 + b2 + c, a + b1 + b2 + c + d},
		"broken before anything was read":  {"", a + b1 + b2 + c + d},
		"the second stream begins earlier": {a + b1 + b2 + c, a + b1 + b2 + c + d},
		"the second stream begins later":   {a + b1 + b2 + c, d},
		"the kubelet says why it stops":    {a + b1 + "unable to retrieve container logs for containerd://0\n", a + b1 + b2 + c + d},
	}
	for name, streams := range cases {
		var got []string
		l := logReader{line: func(line string) { got = append(got, line) }}
		for _, s := range streams {
			if err := l.scan(strings.NewReader(s), false); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"a", "b1", "b2", "c", "d with  spaces "}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestALineThatIsCutIsNoLine: it comes again, whole, at the same time. Only a log that
// is complete may end without a line break.
func TestALineThatIsCutIsNoLine(t *testing.T) {
	t.Parallel()
	const (
		a    = "2026-11-24T02:47:41.1Z a\n"
		half = "2026-11-24T02:47:41.2Z VK1 {\"res"
		rest = "ult\":1}"
	)
	cut := func(s string, err error) io.Reader {
		return io.MultiReader(strings.NewReader(s), iotest.ErrReader(err))
	}
	cases := map[string]struct {
		streams []io.Reader
		whole   bool
	}{
		"by an error":                     {[]io.Reader{cut(a+half, io.ErrUnexpectedEOF), strings.NewReader(a + half + rest + "\n")}, false},
		"by an error, after the end":      {[]io.Reader{cut(a+half, io.ErrUnexpectedEOF), strings.NewReader(a + half + rest)}, true},
		"by a proxy that ends it in turn": {[]io.Reader{strings.NewReader(a + half), strings.NewReader(a + half + rest + "\n")}, false},
		"not at all, and has no break":    {[]io.Reader{strings.NewReader(a + half + rest)}, true},
	}
	for name, c := range cases {
		var got []string
		l := logReader{line: func(line string) { got = append(got, line) }}
		for _, s := range c.streams {
			if err := l.scan(s, c.whole); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"a", `VK1 {"result":1}`}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A log that cannot be read is no silence of the mover's.
func TestABrokenLogIsTold(t *testing.T) {
	t.Parallel()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			http.Error(w, "the kubelet is away", http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte("2026-11-24T02:47:41.1Z the last line\n"))
	}))
	defer server.Close()
	typed, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	broken := 0
	l := logReader{
		cluster: &Cluster{typed: typed}, namespace: testNamespace, pod: "m",
		line: func(line string) { lines = append(lines, line) }, ended: func() bool { return false },
		last: func() bool { return len(lines) > 0 }, broken: func() { broken++ },
	}
	l.read(t.Context())
	if diff := cmp.Diff([]string{"the last line"}, lines); diff != "" || broken != 1 {
		t.Errorf("told %d times (-want +got):\n%s", broken, diff)
	}
}
