# The mover image. Included by the Makefile, which gives GO, CACHE and VERSION.

# Under which name the archive is loaded; a cluster's pods use the same.
IMAGE_NAME ?= volsync-kopia.test/mover:$(VERSION)

##@ Mover image
.PHONY: image
image: build kopia ## Build dist/mover-image.tar on Debian; prints its digest last (no container engine needed)
	@$(GO) run ./tools/image -out dist/mover-image.tar -name '$(IMAGE_NAME)' -version '$(VERSION)' -cache '$(CACHE)/debian'

.PHONY: test-image
test-image: image ## Check the image; as root also run every program in it
	VK_REQUIRE=image $(GO) test -count=1 ./tools/image
