# The definitions that `kubectl volsync-kopia crds` prints. Included by the Makefile.

##@ CRDs
.PHONY: crds
crds: ## Regenerate internal/crd from the schemas and types
	$(GO) run ./tools/crds -out internal/crd

.PHONY: crds-check
crds-check:
	$(GO) run ./tools/crds -out internal/crd -check

verify: crds-check
