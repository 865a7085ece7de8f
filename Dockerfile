# The mover image, for those who build with a container engine: the same files
# and settings as the archive of `make image`, which needs none.
#
#   docker build --build-arg VERSION=1.2.3 -t REFERENCE .
FROM golang:1.26-bookworm AS build
ARG VERSION=0.0.0-dev
WORKDIR /src
COPY . .
RUN make build kopia VERSION="$VERSION"
RUN apt-get update -q \
 && go run ./tools/image -rootfs /rootfs.tar -cache /var/cache/image \
 && mkdir /rootfs \
 && tar --extract --preserve-permissions --file=/rootfs.tar --directory=/rootfs

FROM scratch
ARG VERSION=0.0.0-dev
COPY --from=build /rootfs/ /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV HOME=/tmp
ENV LANG=C.UTF-8
ENV KOPIA_CHECK_FOR_UPDATES=false
LABEL org.opencontainers.image.title="kubectl-volsync-kopia mover"
LABEL org.opencontainers.image.version="$VERSION"
LABEL org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /
# A number: the kubelet cannot tell that a name is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/kubectl-volsync_kopia"]
