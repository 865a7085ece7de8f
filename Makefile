# kubectl volsync-kopia: `make` prints this help. Every target works offline once modules are downloaded.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
FUZZTIME  ?= 30s
# The release stamps these; a development build says so and has no mover image.
VERSION     ?= 0.0.0-dev
MOVER_IMAGE ?=
PKG       := github.com/volsync-kopia/kubectl-volsync-kopia
LDFLAGS   := -s -w -buildid= -X $(PKG)/internal/version.Version=$(VERSION) -X $(PKG)/internal/version.MoverImage=$(MOVER_IMAGE)

# Expensive tools are built once, outside the work tree, keyed by version, Go version and platform.
CACHE          ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubectl-volsync-kopia/tools
TOOL_KEY       := $(shell $(GO) env GOVERSION GOOS GOARCH | paste -sd-)
KOPIA_DEFAULT  := 0.22.3
KOPIA_VERSIONS := 0.21.1 0.22.3 0.23.1
KOPIA_CACHED    = $(CACHE)/kopia-$(1)-$(TOOL_KEY)
GOLANGCI       := $(CACHE)/golangci-lint-$(shell awk '$$1=="github.com/golangci/golangci-lint/v2"{print $$2}' tools/golangci-lint/go.mod)-$(TOOL_KEY)

# What tests need to find kopia; VK_REQUIRE turns a skip into a failure.
export VK_KOPIA  := $(CURDIR)/bin/kopia
export VK_REQUIRE

.PHONY: help
help: ## Print this help
	@awk 'BEGIN{FS=":.*## "} /^##@ /{printf "\n%s\n",substr($$0,5)} /^[a-z0-9-]+:.*## /{printf "  %-18s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

##@ Build
.PHONY: build
build: ## Build bin/kubectl-volsync_kopia
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/kubectl-volsync_kopia .

.PHONY: kopia
kopia: bin/kopia ## Build the default pinned kopia as bin/kopia (about 2 minutes the first time)

.PHONY: kopia-all
kopia-all: $(KOPIA_VERSIONS:%=bin/kopia-%) ## Build every supported kopia as bin/kopia-VERSION

bin/kopia: bin/kopia-$(KOPIA_DEFAULT)
	ln -sf kopia-$(KOPIA_DEFAULT) $@

bin/kopia-%: tools/kopia/%/go.mod
	@mkdir -p bin '$(CACHE)'
	@if [ ! -x '$(call KOPIA_CACHED,$*)' ]; then \
	  echo "building kopia $* (about 2 minutes)"; \
	  cd tools/kopia/$* && CGO_ENABLED=0 $(GO) build -mod=readonly -trimpath -tags nohtmlui \
	    -ldflags '-s -w -X github.com/kopia/kopia/repo.BuildVersion=$*' -o '$(call KOPIA_CACHED,$*).part' github.com/kopia/kopia && \
	  mv '$(call KOPIA_CACHED,$*).part' '$(call KOPIA_CACHED,$*)'; \
	fi
	ln -sf '$(call KOPIA_CACHED,$*)' $@

.PHONY: demo
demo: build kopia ## Back sample data up, change it, back up again, list, restore and compare
	examples/demo/demo.sh

##@ Test
.PHONY: test
test: kopia ## Unit, golden and script tests, and the mover on the default kopia (needs only Go and gcc)
	VK_KOPIAS= $(GO) test ./...

.PHONY: test-race
test-race: kopia ## The same with the race detector
	VK_KOPIAS= $(GO) test -race ./...

.PHONY: test-kopia
test-kopia: kopia ## The mover on the default kopia, without the test cache
	VK_KOPIAS= VK_REQUIRE=kopia $(GO) test -count=1 ./internal/kopiaexec/... ./internal/mover/... ./test/acceptance/...

.PHONY: test-kopia-all
test-kopia-all: kopia kopia-all ## Truth table, policies and round trip on every supported kopia
	VK_REQUIRE=kopia VK_KOPIAS=$$(echo $(KOPIA_VERSIONS:%=$(CURDIR)/bin/kopia-%) | tr ' ' ':') \
	  $(GO) test -count=1 -timeout 30m ./internal/kopiaexec/... ./internal/mover/... ./test/acceptance/...

.PHONY: golden
golden: kopia ## Rewrite golden files, then show what changed: read it before you commit it
	$(GO) test $$(grep -rl 'flag.Bool("update"' --include='*_test.go' . | xargs -n1 dirname | sort -u) -update
	git --no-pager diff --stat

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s)
	@$(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
	  { grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null || true; } | sed 's/^func //' | while read -r target; do \
	    echo "== $$target ($${dir#$(CURDIR)/})"; $(GO) test "$$dir" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); \
	  done; done

.PHONY: bench
bench: build kopia ## Processes, wall time beside bare kopia, start-up, memory, validate of 10,000 sources
	VK_BENCH='$(or $(VK_BENCH),1)' VK_REQUIRE=kopia $(GO) test -count=1 -timeout 30m -v ./test/bench | grep -v "^=== "

include test/cluster/cluster.mk tools/image/image.mk tools/crds/crds.mk tools/dist/dist.mk

##@ Check
# Its cache remembers the paths of a checkout, so that each needs one of its own.
.PHONY: lint
lint: $(GOLANGCI) ## Run golangci-lint with the house rules
	GOLANGCI_LINT_CACHE='$(CACHE)/lint$(subst /,-,$(CURDIR))' '$(GOLANGCI)' run ./...

$(GOLANGCI):
	@mkdir -p '$(CACHE)'
	@echo "building golangci-lint (about 6 minutes)"
	cd tools/golangci-lint && $(GO) build -trimpath -o '$@' github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: generate
generate: kopia-all ## Regenerate kopia's flag and algorithm tables from the real binaries
	$(GO) run ./tools/flagtables $(KOPIA_VERSIONS:%=bin/kopia-%)

.PHONY: docs
docs: ## Regenerate docs/reference
	$(GO) run ./tools/docs -out docs/reference

.PHONY: verify
verify: lint kopia-all ## Tier 0: vet, lint, tidy, generated files up to date, the krew manifest
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run ./tools/flagtables -check $(KOPIA_VERSIONS:%=bin/kopia-%)
	$(GO) run ./tools/docs -out docs/reference -check
	$(GO) run ./tools/krew -check

.PHONY: clean
clean: ## Remove what was built in the work tree (tools stay cached)
	rm -rf bin dist
