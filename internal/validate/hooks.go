package validate

import (
	"strconv"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// hooks judges the annotations that name commands to run in the application.
func (c *check) hooks(annotations map[string]string) {
	h := spec.HooksOf(annotations)
	if _, err := h.Limit(); err != nil {
		c.hook(spec.AnnotationExecTimeout, err.Error(), "write it as 5m")
	}
	switch {
	case h.In != "":
		if _, err := h.Target(); err != nil {
			c.hook(spec.AnnotationExecIn, err.Error(), "write it as pod/postgres-0 or deploy/wiki:php")
		}
		if !h.Used() {
			c.hook(spec.AnnotationExecIn, "there is nothing to run in "+quoted(h.In),
				"add "+spec.AnnotationExecBefore+" or "+spec.AnnotationExecAfter+", or remove it")
		}
	case h.Before != "":
		c.hook(spec.AnnotationExecBefore, "it does not say where to run it", "add "+spec.AnnotationExecIn)
	case h.After != "":
		c.hook(spec.AnnotationExecAfter, "it does not say where to run it", "add "+spec.AnnotationExecIn)
	}
}

// noHooks tells of the annotations on an object that has no copy to tell an application of.
func (c *check) noHooks(annotations map[string]string) {
	for _, name := range []string{spec.AnnotationExecAfter, spec.AnnotationExecBefore, spec.AnnotationExecIn, spec.AnnotationExecTimeout} {
		if _, given := annotations[name]; given {
			c.note("VK168", "metadata.annotations["+strconv.Quote(name)+"]", "a maintenance copies no volume, so nothing is run in an application", "remove it")
		}
	}
}

func (c *check) hook(annotation, message, fix string) {
	c.fail("VK191", "metadata.annotations["+strconv.Quote(annotation)+"]", message, fix)
}
