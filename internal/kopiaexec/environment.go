package kopiaexec

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
)

// DefaultPath is the PATH of every process that gets no other.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// systemBundles are where the distributions keep their CA certificates.
func systemBundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	}
}

// Environment builds the whole environment of a kopia process. The password is
// no part of it: what was once in an environment stays readable in /proc.
// customCA is a PEM file to trust besides the system's own, or empty.
func Environment(workDir, customCA string) ([]string, error) {
	env := []string{
		"PATH=" + DefaultPath,
		"HOME=" + workDir,
		"TMPDIR=" + workDir,
		"TZ=UTC",
		"KOPIA_CHECK_FOR_UPDATES=false",
	}
	if customCA == "" {
		return env, nil
	}
	bundle := filepath.Join(workDir, "ca-bundle.pem")
	if err := writeBundle(bundle, customCA, systemBundles()); err != nil {
		return nil, err
	}
	return append(env, "SSL_CERT_FILE="+bundle), nil
}

// writeBundle joins the custom CA and the first of the system's bundles that
// exists, since SSL_CERT_FILE replaces the latter.
func writeBundle(bundle, customCA string, system []string) error {
	data, err := os.ReadFile(customCA)
	if err != nil {
		return fmt.Errorf("read the custom CA: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		return fmt.Errorf("the custom CA %s holds no certificate in PEM form", customCA)
	}
	for _, name := range system {
		if system, err := os.ReadFile(name); err == nil {
			data = append(append(data, '\n'), system...)
			break
		}
	}
	if err := writePrivate(bundle, data); err != nil {
		return fmt.Errorf("write the CA bundle: %w", err)
	}
	return nil
}
