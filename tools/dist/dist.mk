# The archives of a release. Included by the Makefile, which gives GO, VERSION and MOVER_IMAGE.

##@ Release
.PHONY: dist
dist: ## Build a release's archives, checksums and krew manifest in dist/; VERSION and MOVER_IMAGE are the release's
	$(GO) run ./tools/dist -out dist -version '$(VERSION)' -mover-image '$(MOVER_IMAGE)' -time "$$(git log -1 --format=%ct)"
	$(GO) run ./tools/krew -version 'v$(VERSION)' -checksums dist/checksums.txt >dist/volsync-kopia.yaml

.PHONY: dist-twice
dist-twice: dist ## Build them again and fail if one byte differs
	cp dist/checksums.txt dist/checksums-before.txt
	$(MAKE) dist
	cmp dist/checksums-before.txt dist/checksums.txt
	rm dist/checksums-before.txt
