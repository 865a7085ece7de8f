package cmd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Bounds of a fetch: how long it may take unless --request-timeout says
// otherwise, and how often the server may send the reader elsewhere.
const (
	fetchTimeout = 30 * time.Second
	maxRedirects = 5
)

// url reads a manifest from a web server.
func (r *inputReader) url(ctx context.Context, text string, yield yieldInput) bool {
	if !r.first(text) {
		return true
	}
	address, err := url.Parse(text)
	if err != nil || !isWeb(address) || address.Host == "" {
		return stop(yield, fault.New(fault.Usage, "-f %s: only http and https URLs can be read", shown(text)).
			WithHint("fetch it first, and give the file or - with -f"))
	}
	data, err := r.factory.fetch(ctx, address)
	if err != nil {
		return stop(yield, err)
	}
	return yield(spec.Input{Name: nameOf(address), Data: data}, nil)
}

// fetch gets one document. The error names the place, but nothing of the URL
// that may be a credential.
func (f *Factory) fetch(ctx context.Context, address *url.URL) ([]byte, error) {
	limit, err := f.requestTimeout()
	if err != nil {
		return nil, err
	}
	name := nameOf(address)
	slow := fault.New(fault.Usage, "-f %s: there was no whole answer within %s", name, limit).WithHint("--request-timeout sets the limit")
	ctx, cancel := context.WithTimeoutCause(ctx, limit, slow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, fault.New(fault.Usage, "-f %s: %w", name, unaddressed(err))
	}
	client := http.Client{CheckRedirect: checkRedirect}
	response, err := client.Do(request)
	if err != nil {
		return nil, failedFetch(ctx, name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Usage, "-f %s: the server answered %s", name, response.Status).WithHint(statusHint(response.StatusCode))
	}
	data, err := readBounded(ctx, func() (io.ReadCloser, error) { return response.Body, nil })
	if err != nil {
		return nil, failedFetch(ctx, name, err)
	}
	return data, nil
}

// requestTimeout is kubectl's --request-timeout, or the bound of a fetch where
// that sets none.
func (f *Factory) requestTimeout() (time.Duration, error) {
	if f.Config.Timeout == nil {
		return fetchTimeout, nil
	}
	limit, err := clientcmd.ParseTimeout(*f.Config.Timeout)
	if err != nil {
		return 0, fault.New(fault.Usage, "--request-timeout: %w", err).WithHint("write it as 30s or 2m")
	}
	if limit <= 0 {
		return fetchTimeout, nil
	}
	return limit, nil
}

// failedFetch is the fault of a fetch without an answer.
func failedFetch(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.New(fault.Usage, "-f %s: %w", name, unaddressed(err)).WithHint("see whether the address can be reached from here")
}

// checkRedirect follows a few redirects, and none that leaves encryption or the web.
func checkRedirect(next *http.Request, before []*http.Request) error {
	switch {
	case len(before) > maxRedirects:
		return fault.New(fault.Usage, "more than %d redirects", maxRedirects)
	case !isWeb(next.URL):
		return fault.New(fault.Usage, "redirected to %s, which is no http or https URL", nameOf(next.URL))
	case before[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return fault.New(fault.Usage, "redirected to %s, which is not encrypted", nameOf(next.URL))
	}
	return nil
}

func isWeb(address *url.URL) bool { return address.Scheme == "http" || address.Scheme == "https" }

// nameOf is the URL without user and query, which may be credentials.
func nameOf(address *url.URL) string {
	return (&url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path, RawPath: address.RawPath}).String()
}

// shown is a text that is perhaps a URL, without what may be a credential.
func shown(text string) string {
	if address, err := url.Parse(text); err == nil {
		return nameOf(address)
	}
	return "URL"
}

// unaddressed takes the URL, with all that is in it, out of an error of package http.
func unaddressed(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func statusHint(code int) string {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "fetch it with what the server asks for: curl -fsS -H ... URL | kubectl volsync-kopia ... -f -"
	case http.StatusNotFound, http.StatusGone:
		return "correct the URL"
	}
	return "try again later"
}
