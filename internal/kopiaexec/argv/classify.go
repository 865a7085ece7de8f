package argv

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Classify judges additionalArgs against the flags of one kopia version.
//
// It is an allow-list: a flag reaches kopia only when it is known to be
// harmless and the version has it. The documented flags that kopia never had,
// but that name a setting, become policies or limits. All else is a problem,
// and all problems are reported at once. It never fails and never panics.
func Classify(args []string, t *Table, o Options) Classification {
	c := &classifier{table: t, op: o.Operation, args: args, seen: map[string]int{}, tags: map[string]int{}}
	c.command = CommandSnapshotCreate
	if o.Operation == result.OperationRestore {
		c.command = CommandSnapshotRestore
	}
	c.allowed = allowances(o.Operation)
	for i := 0; i < len(args); {
		a := c.judge(i)
		c.out.Arguments = append(c.out.Arguments, a)
		i += a.Entries
	}
	c.parallelism(o.Parallelism)
	return c.out
}

type classifier struct {
	table   *Table
	op      result.Operation
	command string
	args    []string
	allowed map[string]allowance
	// seen has the entry where a flag or setting was first given, tags the one
	// of each tag's key.
	seen, tags map[string]int
	out        Classification
}

// judge classifies the argument that starts at entry i.
func (c *classifier) judge(i int) Argument {
	w := readWord(c.args[i])
	w.index = i
	if w.junk != "" {
		c.report(i, codeNotAFlag, "this entry is no flag: "+w.junk, "give flags only, as --name=value")
		return c.argument(w, Forbidden, "")
	}
	if w.short {
		return c.short(w)
	}
	base, negated := strings.CutPrefix(w.name, "no-")
	if t, ok := findTranslation(c.op, w.name); ok {
		return c.translate(w, t, false)
	}
	if t, ok := findTranslation(c.op, base); ok && negated && t.flagOnly {
		return c.translate(w, t, true)
	}
	if why, ok := leftOut(w.name); ok {
		return c.leaveOut(w, why)
	}
	if _, ok := c.allowed[w.name]; ok {
		if f, ok := c.table.Lookup(c.command, w.name); ok {
			return c.pass(w, f, false)
		}
	}
	if _, ok := c.allowed[base]; ok && negated {
		if f, ok := c.table.Lookup(c.command, base); ok && f.Kind == KindBool {
			return c.pass(w, f, true)
		}
	}
	return c.refuse(w)
}

// leftOut says why a documented flag has no effect in kopia.
func leftOut(name string) (string, bool) {
	switch name {
	case "progress-interval":
		return "kopia reports progress by time, not by files", true
	case "read-buffer-size":
		return "kopia has no read buffer to set", true
	}
	return "", false
}

func (c *classifier) leaveOut(w word, why string) Argument {
	w.takeNext(c.args, false)
	c.report(w.index, codeLeftOut,
		fmt.Sprintf("%q has no meaning in kopia %s and is left out: %s", w.raw(false), c.table.Minor(), why), "remove it")
	return c.argument(w, LeftOut, "")
}

// pass hands a flag to kopia. Its form is rebuilt, for kopia reads "true" of
// "--flag=true" as one more path, but a value is kept byte for byte.
func (c *classifier) pass(w word, f Flag, negated bool) Argument {
	passed := "--" + f.Name
	if f.Kind == KindBool {
		on, err := truth(w, negated)
		if err != nil {
			return c.invalid(w, err)
		}
		if !on {
			passed = "--no-" + f.Name
		}
	} else {
		w.takeNext(c.args, false)
		if err := c.checkPassed(w, f); err != nil {
			return c.invalid(w, err)
		}
		passed += "=" + w.value
	}
	if !f.Repeatable && c.repeated(w, "--"+f.Name, f.Name) {
		return c.argument(w, Invalid, "")
	}
	if f.Name == "tags" && !c.newTag(w) {
		return c.argument(w, Invalid, "")
	}
	if caution := c.allowed[f.Name].caution; caution != "" {
		c.report(w.index, codeCaution, fmt.Sprintf("%q is passed to kopia: %s", w.flag(), caution), "remove it unless that is meant")
	}
	c.out.Pass = append(c.out.Pass, passed)
	return c.argument(w, Passed, passed)
}

func (c *classifier) checkPassed(w word, f Flag) error {
	if err := checkText(w); err != nil {
		return err
	}
	if err := checkValue(f, w.value); err != nil {
		return err
	}
	if check := c.allowed[f.Name].check; check != nil {
		return check(w.value)
	}
	return nil
}

// checkText refuses what cannot travel: no process can be given a NUL, and
// bytes that are no text would be changed by the JSON on the way.
func checkText(w word) error {
	switch {
	case !w.hasValue:
		return fmt.Errorf("a value is missing; write %s=VALUE", w.flag())
	case strings.ContainsRune(w.value, 0):
		return errors.New("the value holds a NUL character")
	case !utf8.ValidString(w.value):
		return errors.New("the value is not UTF-8 text")
	}
	return nil
}

// truth returns what a flag without a value says, "--flag=false" included.
func truth(w word, negated bool) (bool, error) {
	if !w.hasValue {
		return !negated, nil
	}
	on, err := strconv.ParseBool(w.value)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", w.value)
	}
	return on != negated, nil
}

// newTag reports whether a tag may be set, and has not been set before.
func (c *classifier) newTag(w word) bool {
	key, _, _ := strings.Cut(w.value, ":")
	if strings.HasPrefix(key, reservedTag) {
		c.report(w.index, codeReservedTag, fmt.Sprintf("the tag %q is this tool's own: it marks the snapshot with its run", key), "choose another key")
		return false
	}
	return !c.repeatedIn(c.tags, w, key, "the tag "+strconv.Quote(key))
}

// translate turns a flag into the setting that it stands for.
func (c *classifier) translate(w word, t translation, negated bool) Argument {
	value := ""
	if t.flagOnly {
		on, err := truth(w, negated)
		if err != nil {
			return c.invalid(w, err)
		}
		value = strconv.FormatBool(on)
	} else {
		w.takeNext(c.args, false)
		if err := checkText(w); err != nil {
			return c.invalid(w, err)
		}
		value = w.value
	}
	e, err := t.read(c.table, value)
	if err != nil {
		return c.invalid(w, err)
	}
	if !t.list && c.repeated(w, t.target, t.name) {
		return c.argument(w, Invalid, "")
	}
	return c.apply(w, e)
}

func (c *classifier) apply(w word, e effect) Argument {
	what := "is a limit of the connection in kopia"
	if e.policy != nil {
		what = "is a policy in kopia"
		policy, err := json.Marshal(e.policy)
		if err != nil {
			return c.invalid(w, err)
		}
		c.out.Layers = append(c.out.Layers, result.PolicyLayer{From: pathOf(w.index), Policy: policy})
	}
	c.out.UploadBytesPerSecond += e.upload
	c.out.DownloadBytesPerSecond += e.download
	c.report(w.index, codeTranslated, fmt.Sprintf("%q %s; applied as %s", w.raw(false), what, e.applied), "")
	if e.rechunks {
		c.report(w.index, codeRechunks, e.applied+" re-chunks: the next backup uploads everything", "keep it only if the repository may grow by the size of the volume")
	}
	return c.argument(w, Translated, e.applied)
}

// invalid reports a flag that may be given, but not with this value.
func (c *classifier) invalid(w word, err error) Argument {
	c.report(w.index, codeBadValue, w.flag()+": "+err.Error(), "correct the value, or remove the argument")
	return c.argument(w, Invalid, "")
}

// repeated reports, once, what is given again though kopia takes it only once.
func (c *classifier) repeated(w word, key, name string) bool {
	return c.repeatedIn(c.seen, w, key, "--"+name)
}

func (c *classifier) repeatedIn(seen map[string]int, w word, key, what string) bool {
	first, again := seen[key]
	if !again {
		seen[key] = w.index
		return false
	}
	c.report(w.index, codeRepeated, fmt.Sprintf("%s cannot be given twice: additionalArgs[%d] already sets it", what, first), "keep one of the two")
	return true
}

// parallelism adds the manifest's own field where no argument says the same.
func (c *classifier) parallelism(field *int32) {
	if field == nil || *field <= 0 {
		return
	}
	if at, given := c.seen["--parallel"]; given {
		c.report(at, codeParallelTwice, fmt.Sprintf("the argument wins over spec.kopia.parallelism, which is %d", *field), "keep one of the two")
		return
	}
	c.out.Pass = append(c.out.Pass, "--parallel="+strconv.Itoa(int(*field)))
}

// argument makes the record of a word. What was refused may be a credential in
// the wrong place, so its value is not kept.
func (c *classifier) argument(w word, class Class, applied string) Argument {
	a := Argument{Index: w.index, Entries: w.entries, Raw: w.raw(false), Flag: w.flag(), Value: w.value, Class: class, Applied: applied}
	if class == Forbidden || class == Unknown {
		a.Raw, a.Value = w.raw(true), ""
		if w.hasValue {
			a.Value = redacted
		}
	}
	return a
}

func (c *classifier) report(index int, code, message, fix string) {
	known, _ := problem.Lookup(code)
	c.out.Problems = append(c.out.Problems, problem.Problem{
		Code: code, Severity: known.Severity, Path: pathOf(index), Message: message, Fix: fix,
	})
}

func pathOf(index int) string { return "spec.kopia.additionalArgs[" + strconv.Itoa(index) + "]" }
