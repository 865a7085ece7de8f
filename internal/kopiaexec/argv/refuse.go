package argv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// short refuses a flag of one letter: none of them may be given. Kopia reads
// "-parallel=16" as -p with the password "arallel=16", so that is told apart.
func (c *classifier) short(w word) Argument {
	fix := "remove it"
	if long := readWord("-" + c.args[w.index]); long.junk == "" && c.offers(long.name) {
		fix = "write two dashes: --" + long.name
	}
	f, known := c.table.lookupShort(c.command, w.name)
	if !known {
		w.takeNext(c.args, false)
		c.report(w.index, codeUnknown, fmt.Sprintf("%q is not a flag that kopia %s or this tool knows", w.flag(), c.table.Minor()), fix)
		return c.argument(w, Unknown, "")
	}
	w.takeNext(c.args, secretName.MatchString(f.Name))
	b, _ := findBan(c.table, c.command, f.Name)
	if fix == "remove it" {
		fix = b.fix
	}
	c.report(w.index, codeForbidden, fmt.Sprintf("%q is kopia's --%s, which is not allowed here: %s", w.flag(), f.Name, b.reason), fix)
	return c.argument(w, Forbidden, "")
}

// refuse reports a long flag that is neither passed nor translated.
func (c *classifier) refuse(w word) Argument {
	secret := secretName.MatchString(w.name)
	if b, ok := findBan(c.table, c.command, w.name); ok && !c.misspelt(w.name) {
		if f, ok := c.table.Lookup(c.command, strings.TrimPrefix(w.name, "no-")); !ok || f.Kind != KindBool {
			w.takeNext(c.args, secret)
		}
		c.report(w.index, codeForbidden, fmt.Sprintf("%q is not allowed here: %s", w.flag(), b.reason), b.fix)
		return c.argument(w, Forbidden, "")
	}
	w.takeNext(c.args, secret)
	message, fix := c.explain(w, secret)
	c.report(w.index, codeUnknown, message, fix)
	return c.argument(w, Unknown, "")
}

// misspelt reports whether the name is that of a flag which is taken, but for
// its case, underscores or a negation that the flag does not have.
func (c *classifier) misspelt(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return c.offers(name) || c.offers(strings.TrimPrefix(name, "no-"))
}

// explain says what is known about a flag that does not exist here. A value is
// shown only beside a flag that is plainly a misspelt harmless one.
func (c *classifier) explain(w word, secret bool) (message, fix string) {
	base := strings.TrimPrefix(w.name, "no-")
	message = fmt.Sprintf("%q is not a flag that kopia %s or this tool knows", w.flag(), c.table.Minor())
	if f, ok := c.table.Lookup(c.command, base); ok && base != w.name && f.Kind != KindBool {
		return fmt.Sprintf("%q is no flag: --%s takes a value and has no negation", w.flag(), base), "remove it"
	}
	if version := c.otherVersion(base); version != "" {
		return fmt.Sprintf("%q is a flag of kopia %s, but not of the kopia %s in use", w.flag(), version, c.table.Minor()), "remove it"
	}
	if c.otherOperation(base) {
		return fmt.Sprintf("%q has no meaning for this operation: it is a flag of %s", w.flag(), c.otherName()), "remove it"
	}
	if strings.HasPrefix(base, "keep-") {
		return message + "; it is a setting of retention", "use spec.kopia.retain"
	}
	if near := c.nearest(w.name); near != "" {
		if !secret {
			message = fmt.Sprintf("%q is not a flag that kopia %s or this tool knows", w.raw(false), c.table.Minor())
		}
		return fmt.Sprintf("%s; did you mean %q?", message, "--"+near), "write --" + near
	}
	if _, ok := c.table.Lookup(CommandPolicySet, base); ok {
		return message + " for this command; in kopia it is a policy", "set it in the global policy of policyConfig"
	}
	return message, "remove it"
}

// offers reports whether a flag of the name is passed, translated or left out.
func (c *classifier) offers(name string) bool { return slices.Contains(c.offered(), name) }

// offered lists all names that are taken, in a stable order.
func (c *classifier) offered() []string {
	names := []string{"progress-interval", "read-buffer-size"}
	for name := range c.allowed {
		if _, ok := c.table.Lookup(c.command, name); ok {
			names = append(names, name)
		}
	}
	for _, t := range translations(c.op) {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// nearest returns the name that was probably meant, or "".
func (c *classifier) nearest(name string) string {
	switch name {
	case "exclude", "exclude-caches", "exclude-cache", "skip-cache-dirs", "limit-upload", "limit-download", "threads", "jobs", "concurrency", "tag":
		return c.synonym(name)
	}
	base, negated := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "no-")
	// A misspelt name of something forbidden is no hint at a harmless flag.
	banned := slices.DeleteFunc(append([]string{"password"}, c.table.Connection...), c.offers)
	best := problem.Nearest(base, append(banned, c.offered()...))
	if slices.Contains(banned, best) {
		return ""
	}
	if f, ok := c.table.Lookup(c.command, best); negated && ok && f.Kind == KindBool {
		return "no-" + best
	}
	return best
}

// synonym translates what other backup programs call it, where it is offered.
func (c *classifier) synonym(name string) string {
	known := map[string]string{
		"exclude": "ignore", "exclude-caches": "ignore-cache-dirs", "exclude-cache": "ignore-cache-dirs", "skip-cache-dirs": "ignore-cache-dirs",
		"limit-upload": "upload-speed", "limit-download": "download-speed",
		"threads": "parallel", "jobs": "parallel", "concurrency": "parallel", "tag": "tags",
	}[name]
	if !c.offers(known) {
		return ""
	}
	return known
}

// otherVersion returns a supported kopia version that has an allowed flag
// which this one lacks, or "".
func (c *classifier) otherVersion(name string) string {
	if _, ok := c.allowed[name]; !ok {
		return ""
	}
	for _, v := range Versions() {
		if _, ok := TableFor(v).Lookup(c.command, name); ok && v != c.table.Version {
			return v
		}
	}
	return ""
}

// otherOperation reports whether a backup takes what a restore does not, or
// the other way round.
func (c *classifier) otherOperation(name string) bool {
	other := result.OperationRestore
	if c.op == result.OperationRestore {
		other = result.OperationBackup
	}
	_, allowed := allowances(other)[name]
	_, translated := findTranslation(other, name)
	return allowed || translated
}

func (c *classifier) otherName() string {
	if c.op == result.OperationRestore {
		return "backups"
	}
	return "restores"
}
