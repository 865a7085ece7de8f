# The test cluster: a real single-node Kubernetes, built from pinned Go modules. Included by the Makefile.
# CACHE and GO come from there; the programs are kept in CACHE by version, Go version and platform.

export VK_CACHE := $(CACHE)

# Archives to import: make cluster-up IMAGES="dist/mover-image.tar"
IMAGES ?=

# Packages of the product whose tests take an API server.
APISERVER_PACKAGES ?= ./internal/crd ./internal/k8s

TESTCLUSTER := $(CURDIR)/bin/testcluster

.PHONY: bin/testcluster
bin/testcluster:
	cd test/cluster && $(GO) build -trimpath -o '$(TESTCLUSTER)' ./cmd/testcluster

##@ Test cluster
.PHONY: cluster-tools
cluster-tools: bin/testcluster ## Build the programs of the test cluster (about 20 minutes the first time)
	'$(TESTCLUSTER)' tools

.PHONY: cluster-up
cluster-up: bin/testcluster ## Start a real single-node Kubernetes as root; prints its kubeconfig's path last
	@'$(TESTCLUSTER)' up $(IMAGES:%=--image '%')

.PHONY: cluster-down
cluster-down: bin/testcluster ## Stop it and leave nothing behind
	@'$(TESTCLUSTER)' down

.PHONY: test-apiserver
test-apiserver: bin/testcluster ## Tests on a real etcd and API server (no root needed)
	'$(TESTCLUSTER)' tools --apiserver-only
	cd test/cluster && VK_REQUIRE=apiserver $(GO) test -count=1 ./node ./cmd/testcluster
	state=$$(mktemp -d); trap "'$(TESTCLUSTER)' down --apiserver-only --state $$state" EXIT; \
	  kubeconfig=$$('$(TESTCLUSTER)' up --apiserver-only --state "$$state" | tail -n 1); \
	  VK_REQUIRE=apiserver VK_APISERVER_KUBECONFIG="$$kubeconfig" $(GO) test -count=1 -timeout 30m $(APISERVER_PACKAGES)

# Which tests of the suite run: make test-cluster SUITE=TestFaultMatrix
SUITE ?= .

# The suite's pods name this image.
test-cluster bench-cluster: IMAGE_NAME := volsync-kopia.test/mover:dev

.PHONY: bench-cluster
bench-cluster: cluster-tools image ## Whole runs by every copy method, API requests, memory, time to a wrong password
	cd test/cluster && VK_BENCH=1 VK_REQUIRE=cluster $(GO) test -count=1 -timeout 30m -v -run '^TestBench' ./suite | grep -v '^=== '

.PHONY: test-cluster
test-cluster: cluster-tools image ## Tests on a whole node, and of the mover image that it runs (root on Linux)
	VK_REQUIRE=image $(GO) test -count=1 ./tools/image
	cd test/cluster && VK_REQUIRE=apiserver,cluster $(GO) test -count=1 -p 1 -timeout 20m $$($(GO) list ./... | grep -v '/suite$$')
	cd test/cluster && VK_REQUIRE=apiserver,cluster $(GO) test -count=1 -parallel 6 -timeout 45m -run '$(SUITE)' ./suite # most of it waits
