package cmd

import (
	"errors"
	"net"
	"net/url"
	"syscall"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// unreachable makes an error say one thing for every request when the API server
// could not be reached: the request's own address has a query that helps nobody.
func unreachable(err error) error {
	var request *url.Error
	var network *net.OpError
	if fault.KindOf(err) != fault.Failed || !errors.As(err, &request) || !errors.As(request, &network) || network.Op != "dial" {
		return err
	}
	address, parseErr := url.Parse(request.URL)
	if parseErr != nil {
		return err
	}
	cause := network.Err
	var number syscall.Errno
	if errors.As(cause, &number) {
		cause = number
	}
	return fault.New(fault.Failed, "cannot reach the API server at %s://%s: %w", address.Scheme, address.Host, cause).
		WithHint("check --kubeconfig, --context and --server")
}
