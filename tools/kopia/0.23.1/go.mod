module github.com/volsync-kopia/kubectl-volsync-kopia/tools/kopia/0.23.1

go 1.26.0

require github.com/kopia/kopia v0.23.1
