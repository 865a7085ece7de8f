package mover

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
)

// holdCache takes the repository's cache. While another run uses it, or where it
// cannot be locked, this one makes do with an empty one of its own. That lies
// beside the other and not in WorkDir, which is memory wherever there is any.
func (d *driver) holdCache(key string) {
	kept := kopiaexec.NewCache(d.task.CacheDir, key)
	held, err := kept.Hold()
	if held {
		d.cache = kept
		d.removeCachesOfTheDead(key)
		return
	}
	why := "is in use by another run"
	if err != nil {
		why = fmt.Sprintf("cannot be had (%v)", err)
	}
	d.log.sayf("The repository's cache %s; this run begins with an empty one.", why)
	d.cache, d.ownCache = kopiaexec.NewCache(d.task.CacheDir, key+"."+d.task.RunID), true
	// The lock keeps the cache from runs that remove those of the dead. Where none
	// can be had, they cannot take it either, and leave it alone.
	if _, err := d.cache.Hold(); err != nil {
		d.log.sayf("%v", err)
	}
}

// removeCachesOfTheDead removes what killed runs on the same repository left
// beside its cache: their own caches, and what they had set aside. It is called
// with the kept cache held.
func (d *driver) removeCachesOfTheDead(key string) {
	entries, err := os.ReadDir(d.task.CacheDir)
	if err != nil {
		d.log.sayf("look for caches of earlier runs: %v", err)
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), key+".") {
			continue
		}
		dead := kopiaexec.NewCache(d.task.CacheDir, entry.Name())
		if held, err := dead.Hold(); err != nil || !held {
			continue
		}
		if err := dead.Remove(); err != nil {
			d.log.sayf("%s: %v", filepath.Join(d.task.CacheDir, entry.Name()), err)
		}
	}
}

// releaseCache gives the kept cache back, or removes the run's own.
func (d *driver) releaseCache() {
	if !d.ownCache {
		d.cache.Release()
		return
	}
	if err := d.cache.Remove(); err != nil {
		d.log.sayf("%v", err)
	}
}
