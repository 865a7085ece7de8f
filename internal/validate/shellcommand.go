package validate

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?\+?=`)
	nameShape  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.+-]*$`)
)

func isName(s string) bool { return nameShape.MatchString(s) }

// endCommand takes the words of a simple command for the program they start.
func (r *shellReader) endCommand() {
	words := r.words
	r.words = nil
	for len(words) > 0 {
		w := words[0]
		switch {
		case !w.exact:
			return
		case assignment.MatchString(w.text):
			words = words[1:]
		case slices.Contains(commandFollows(), w.text):
			words = words[1:]
		case w.text == "function" && len(words) > 2:
			words = words[2:]
		case slices.Contains(noCommandFollows(), w.text):
			return
		default:
			r.command(words)
			return
		}
	}
}

// commandFollows are reserved words behind which a command stands.
func commandFollows() []string {
	return []string{"if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time", "coproc"}
}

// noCommandFollows are reserved words whose line starts no program.
func noCommandFollows() []string {
	return []string{"for", "case", "select", "function", "in", "esac", "fi", "done", "[[", "]]", "((", "))"}
}

// command notes the program of a command, and that of the command it is given.
func (r *shellReader) command(words []shellWord) {
	name := words[0].text
	if strings.Contains(name, "/") {
		if !strings.HasPrefix(name, "/usr/") && !strings.HasPrefix(name, "/bin/") && !strings.HasPrefix(name, "/sbin/") && !strings.HasPrefix(name, "/opt/") {
			return // a script of the volume
		}
		name = path.Base(name)
	}
	if !isName(name) {
		return
	}
	r.note(name, words[0].start)
	// A script that looks whether a program is there knows what to do if not.
	if name == "command" && len(words) > 2 && strings.HasPrefix(words[1].text, "-") || name == "which" || name == "type" || name == "hash" {
		for _, w := range words[1:] {
			r.seen[w.text] = true
		}
		return
	}
	if inner := argumentsAsCommand(name, words[1:]); len(inner) > 0 && inner[0].exact {
		r.command(inner)
	}
}

// argumentsAsCommand returns the command that a wrapper such as timeout starts.
func argumentsAsCommand(name string, words []shellWord) []shellWord {
	positionals, ok := map[string]int{
		"exec": 0, "command": 0, "env": 0, "nohup": 0, "nice": 0, "setsid": 0, "stdbuf": 0, "sudo": 0, "xargs": 0, "builtin": 0,
		"timeout": 1, "chroot": 1,
	}[name]
	if !ok {
		return nil
	}
	for len(words) > 0 {
		switch w := words[0]; {
		case slices.Contains(strings.Fields(flagsWithValue(name)), w.text) && len(words) > 1:
			words = words[2:]
		case strings.HasPrefix(w.text, "-") || name == "env" && assignment.MatchString(w.text):
			words = words[1:]
		case positionals > 0:
			positionals--
			words = words[1:]
		default:
			return words
		}
	}
	return nil
}

// flagsWithValue are a wrapper's flags whose value is a word of its own.
func flagsWithValue(name string) string {
	return map[string]string{
		"timeout": "-k -s", "nice": "-n", "env": "-u -C", "sudo": "-u -g -h -p", "xargs": "-n -I -P -L -d -s -a -E", "stdbuf": "-i -o -e",
	}[name]
}

func (r *shellReader) note(name string, offset int) {
	if r.seen[name] || len(r.found) == maxPrograms {
		return
	}
	r.seen[name] = true
	before := string(r.text[:offset])
	line := strings.Count(before, "\n") + 1
	column := offset - len([]rune(before[:strings.LastIndexByte(before, '\n')+1])) + 1
	r.found = append(r.found, program{name, line, column})
}
