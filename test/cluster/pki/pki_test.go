package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/pki"
)

func TestIssuedCertificateServesAndAuthenticates(t *testing.T) {
	now := time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)
	authority, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Subject{
		CommonName: "admin", Organization: []string{"system:masters"}, DNSNames: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tls.X509KeyPair(pair.Public, pair.Private)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.PEM()) {
		t.Fatal("the authority's own certificate cannot be read")
	}
	for _, name := range []string{"localhost", "127.0.0.1"} {
		_, err := loaded.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, DNSName: name, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if got := loaded.Leaf.Subject.Organization; len(got) != 1 || got[0] != "system:masters" {
		t.Errorf("organization %v", got)
	}
	other, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	foreign := x509.NewCertPool()
	foreign.AppendCertsFromPEM(other.PEM())
	if _, err := loaded.Leaf.Verify(x509.VerifyOptions{Roots: foreign, CurrentTime: now}); err == nil {
		t.Error("another cluster's authority vouches for it")
	}
}
