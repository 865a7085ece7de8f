package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// Names of daemons, of their records and their logs.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kubelet           = "kubelet"
)

// serviceAddress is that of the Service "kubernetes", the first of the range.
const (
	serviceRange   = "10.96.0.0/24"
	serviceAddress = "10.96.0.1"
)

// apiServerReady bounds the API server's start on a machine that is busy building.
const apiServerReady = 2 * time.Minute

func (c *Cluster) startAPIServerOnly(ctx context.Context, controllers []string) error {
	daemons, err := c.startControlPlane()
	if err != nil {
		return err
	}
	if err := c.waitAPIServer(ctx, daemons); err != nil {
		return err
	}
	c.log("API server ready at 127.0.0.1:%d", c.state.Ports.APIServer)
	if err := c.installStorageAPIs(ctx); err != nil {
		return err
	}
	c.log("snapshot API and storage classes installed")
	if len(controllers) == 0 {
		return nil
	}
	_, err = c.startControllerManager(controllers)
	return err
}

// startControlPlane starts etcd and the API server, which retries until etcd answers.
func (c *Cluster) startControlPlane() ([]*process.Daemon, error) {
	program, err := c.tools.Program(toolchain.Etcd, "etcd")
	if err != nil {
		return nil, err
	}
	client := fmt.Sprintf("http://127.0.0.1:%d", c.state.Ports.EtcdClient)
	peer := fmt.Sprintf("http://127.0.0.1:%d", c.state.Ports.EtcdPeer)
	store, err := c.group.Start(
		etcd, program, "--name=etcd", "--data-dir="+c.path("etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=etcd="+peer,
	)
	if err != nil {
		return nil, err
	}
	policy, err := files.ReadFile("config/audit.yaml")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.path("audit-policy.yaml"), policy, 0o644); err != nil {
		return nil, err
	}
	args := []string{
		"--etcd-servers=" + client, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.state.Ports.APIServer),
		// The reconciler refuses a loopback address; the Service's endpoint would be of no use to pods anyway.
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--cert-dir=" + c.path("pki"), "--client-ca-file=" + c.path("pki", "ca.crt"),
		"--tls-cert-file=" + c.path("pki", "apiserver.crt"), "--tls-private-key-file=" + c.path("pki", "apiserver.key"),
		"--service-account-key-file=" + c.path("pki", "service-accounts.crt"),
		"--service-account-signing-key-file=" + c.path("pki", "service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC", "--allow-privileged=true", "--profiling=false",
		"--kubelet-client-certificate=" + c.path("pki", "apiserver-kubelet.crt"),
		"--kubelet-client-key=" + c.path("pki", "apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + c.path("pki", "ca.crt"),
		"--audit-policy-file=" + c.path("audit-policy.yaml"), "--audit-log-path=" + c.AuditLog(), "--audit-log-maxsize=100000",
	}
	if c.state.APIServerOnly {
		// Without a controller that makes them, no pod would find its service account.
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	server, err := c.startKubernetes(apiServer, args...)
	return []*process.Daemon{store, server}, err
}

func (c *Cluster) startKubernetes(name string, args ...string) (*process.Daemon, error) {
	program, err := c.tools.Program(toolchain.Kubernetes, "hyper")
	if err != nil {
		return nil, err
	}
	return c.group.Start(name, program, append([]string{name}, args...)...)
}

func (c *Cluster) waitAPIServer(ctx context.Context, needs []*process.Daemon) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiServerReady)
	defer cancel()
	return process.Wait(ctx, "the API server", func(ctx context.Context) error {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}, needs...)
}

// startControllerManager runs the named controllers; "*" is all that are on by default.
func (c *Cluster) startControllerManager(controllers []string) (*process.Daemon, error) {
	return c.startKubernetes(
		controllerManager, "--kubeconfig="+c.kubeconfigOf(controllerManager), "--secure-port=0", "--leader-elect=false", "--profiling=false",
		"--service-account-private-key-file="+c.path("pki", "service-accounts.key"), "--root-ca-file="+c.path("pki", "ca.crt"),
		// By default this folder is made in /usr/libexec.
		"--flex-volume-plugin-dir="+c.path("flexvolume"),
		"--use-service-account-credentials=true", "--controllers="+strings.Join(controllers, ","),
	)
}

func (c *Cluster) client() (*kubernetes.Clientset, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 100
	return kubernetes.NewForConfig(config)
}
