package node

import (
	"fmt"
	"net"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/pki"
)

// nodeName is an address, because the API server reaches the kubelet by it, and the kubelet refuses a loopback
// address as --node-ip.
const nodeName = "127.0.0.1"

// writeCredentials fills the folder pki, and writes a kubeconfig for each client.
func (c *Cluster) writeCredentials() error {
	authority, err := pki.New(time.Now())
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path("pki", "ca.crt"), authority.PEM(), 0o644); err != nil {
		return err
	}
	signing, err := pki.SigningKey()
	if err != nil {
		return err
	}
	if err := c.writePair("service-accounts", signing); err != nil {
		return err
	}
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	subjects := map[string]pki.Subject{
		"apiserver": {
			CommonName: "kube-apiserver", Addresses: append(local, net.ParseIP(serviceAddress)),
			DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		},
		"apiserver-kubelet": {CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}},
		"kubelet-server":    {CommonName: nodeName, Addresses: local},
		"admin":             {CommonName: "admin", Organization: []string{"system:masters"}},
		controllerManager:   {CommonName: "system:kube-controller-manager"},
		scheduler:           {CommonName: "system:kube-scheduler"},
		kubelet:             {CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}},
	}
	clients := map[string]string{
		"admin": c.Kubeconfig(), controllerManager: c.kubeconfigOf(controllerManager),
		scheduler: c.kubeconfigOf(scheduler), kubelet: c.kubeconfigOf(kubelet),
	}
	for name, subject := range subjects {
		pair, err := authority.Issue(subject)
		if err != nil {
			return err
		}
		if err := c.writePair(name, pair); err != nil {
			return err
		}
		if path, ok := clients[name]; ok {
			if err := c.writeKubeconfig(path, name, authority.PEM(), pair); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) writePair(name string, pair pki.Pair) error {
	if err := os.WriteFile(c.path("pki", name+".crt"), pair.Public, 0o644); err != nil {
		return err
	}
	return os.WriteFile(c.path("pki", name+".key"), pair.Private, 0o600)
}

func (c *Cluster) kubeconfigOf(client string) string { return c.path("pki", client+".kubeconfig") }

func (c *Cluster) writeKubeconfig(path, user string, authority []byte, pair pki.Pair) error {
	const name = "test-cluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: fmt.Sprintf("https://127.0.0.1:%d", c.state.Ports.APIServer), CertificateAuthorityData: authority,
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Public, ClientKeyData: pair.Private}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}
