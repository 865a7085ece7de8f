package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// name checks the name of an algorithm, which kopia's import does not.
func (w *walker) name(k kind, value, pointer string) (any, bool) {
	known, what := w.names.of(k)
	if alias, ok := aliases()[value]; ok && slices.Contains(known, alias) {
		message := fmt.Sprintf("%q is called %q in kopia and is used as that", value, alias)
		if w.sensitive {
			message = fmt.Sprintf("kopia has a longer name for this %s, which is used", what)
		}
		severity := problem.Info
		if k == kindECC {
			// Who asks for error correction believes to be protected by it from now
			// on; an existing repository keeps what it was created with.
			severity = problem.Warning
		}
		w.note(codeRenamed, severity, pointer, message, "")
		value = alias
	}
	if k == kindCompressor {
		if reason, bad := w.names.BadCompressors[value]; bad {
			w.note(codeBroken, problem.Error, pointer,
				fmt.Sprintf("%s does not work as a compressor with kopia %s: %s", w.quote(value), w.names.short(), reason),
				`use "zstd-fastest" or "s2-default"`)
			return nil, false
		}
	}
	// Empty is kopia's own way to write "not set".
	if value == "" || slices.Contains(known, value) {
		return value, true
	}
	fix := "choose one of: " + strings.Join(known, ", ")
	message := fmt.Sprintf("%s is not a %s that kopia %s knows", w.quote(value), what, w.names.short())
	if near := problem.Nearest(value, known); near != "" && !w.sensitive {
		message += fmt.Sprintf("; did you mean %q?", near)
		fix = fmt.Sprintf("write %q", near)
	}
	w.note(codeUnknownName, problem.Error, pointer, message, fix)
	return nil, false
}

func (n Names) of(k kind) (known []string, what string) {
	switch k {
	case kindCompressor:
		return n.Compressors, "compressor"
	case kindSplitter:
		return n.Splitters, "splitter"
	case kindHash:
		return n.Hashes, "hash"
	case kindEncryption:
		return n.Encryptions, "encryption"
	default:
		return n.ECCs, "error correction"
	}
}

// aliases are names that the documentation page uses, or that can mean only
// one thing.
func aliases() map[string]string {
	return map[string]string{"s2": "s2-default", "deflate": "deflate-default", "REED-SOLOMON": "REED-SOLOMON-CRC32"}
}

// applyLevel turns compressor plus level, which kopia does not have, into the
// named variant that is nearest.
func (w *walker) applyLevel() {
	level, ok := w.found[toLevel]
	if !ok {
		return
	}
	delete(w.found, toLevel)
	compressor, named := w.found[toCompressor]
	name, _ := compressor.value.(string)
	if !named || name == "" {
		w.note(codeLevel, problem.Warning, level.pointer, "kopia has no levels, and no compressor is named here; the level is left out",
			"name a compressor, as zstd-better-compression")
		return
	}
	number, _ := level.value.(json.Number)
	n, _ := wholeNumber(number)
	variant, severity := variantFor(name, n)
	if !slices.Contains(w.names.Compressors, variant) {
		variant = name
	}
	compressor.value = variant
	w.found[toCompressor] = compressor
	became, fix := fmt.Sprintf("becomes %q", variant), "name the variant as compressor and remove the level"
	if variant == name {
		became, fix = fmt.Sprintf("stays %q", variant), "remove the level"
	}
	message := fmt.Sprintf("kopia has no levels; %q with level %d %s", name, n, became)
	if w.sensitive {
		message = "kopia has no levels; the named variant of the compressor that is nearest to the level is used"
		fix = "name a variant as compressor and remove the level"
	}
	w.note(codeLevel, severity, level.pointer, message, fix)
}

// variantFor chooses by the usual scale of each algorithm. S2 has none of its
// own, so a level that leaves it as it is loses nothing.
func variantFor(name string, level int64) (string, problem.Severity) {
	switch name {
	case "zstd":
		return zstdVariant(level), problem.Warning
	case "gzip", "pgzip":
		return flateVariant(name, name, level), problem.Warning
	case "deflate-default":
		return flateVariant("deflate", name, level), problem.Warning
	case "s2-default":
		if level > 1 {
			return "s2-better", problem.Warning
		}
		return name, problem.Info
	default:
		return name, problem.Warning
	}
}

func zstdVariant(level int64) string {
	switch {
	case level == 0: // zstd's own word for its default
		return "zstd"
	case level <= 2:
		return "zstd-fastest"
	case level <= 4:
		return "zstd"
	case level <= 8:
		return "zstd-better-compression"
	default:
		return "zstd-best-compression"
	}
}

func flateVariant(family, standard string, level int64) string {
	switch {
	case level == 0: // stored without compression
		return "none"
	case level < 0:
		return standard
	case level <= 3:
		return family + "-best-speed"
	case level <= 8:
		return standard
	default:
		return family + "-best-compression"
	}
}
