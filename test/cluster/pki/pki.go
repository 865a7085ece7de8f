// Package pki issues the certificates of a throw-away cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Pair is a certificate, or a public key, with its private key, all PEM.
type Pair struct{ Public, Private []byte }

// Subject says whom a certificate names. Kubernetes reads the user from the common name, its groups from the
// organizations.
type Subject struct {
	CommonName   string
	Organization []string
	DNSNames     []string
	Addresses    []net.IP
}

// Authority signs certificates that all last as long as its own.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// New makes an authority that is valid from an hour before start, for clocks that jump, to a year after it.
func New(start time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test-cluster"},
		NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{cert: cert, key: key, pem: block("CERTIFICATE", der)}, err
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return a.pem }

// Issue signs a certificate that serves as both server and client.
func (a *Authority) Issue(s Subject) (Pair, error) {
	key, private, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.CommonName, Organization: s.Organization},
		DNSNames: s.DNSNames, IPAddresses: s.Addresses,
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	return Pair{Public: block("CERTIFICATE", der), Private: private}, err
}

// SigningKey makes a key pair for service account tokens.
func SigningKey() (Pair, error) {
	key, private, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	return Pair{Public: block("PUBLIC KEY", der), Private: private}, err
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, block("EC PRIVATE KEY", der), err
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
