// Package apiservertest gives tests a real API server.
package apiservertest

import (
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// variable names the kubeconfig of an API server that tests may change.
const variable = "VK_APISERVER_KUBECONFIG"

// Config is how to reach the API server. Without one the test is skipped, or with
// "apiserver" in VK_REQUIRE it fails, so that nothing vanishes in silence.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		if slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), "apiserver") {
			t.Fatalf("VK_REQUIRE has apiserver, but %s is not set", variable)
		}
		t.Skipf("takes a real API server: set %s", variable)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}
