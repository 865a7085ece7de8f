package validate

import (
	"path"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// actions finds programs that the mover image does not have.
func (c *check) actions(a *spec.Actions) {
	if a == nil {
		return
	}
	c.action("spec.kopia.actions.beforeSnapshot", a.BeforeSnapshot)
	c.action("spec.kopia.actions.afterSnapshot", a.AfterSnapshot)
}

func (c *check) action(path, script string) {
	for _, p := range missingPrograms(script) {
		c.report(problem.Warning, problem.Problem{
			Code: "VK145", Path: path, Position: c.doc.PositionIn(path, p.line, p.column),
			Message: quoted(p.name) + " is not in the mover image, where actions run",
			Fix:     missingFix(p.name),
		})
	}
}

func missingFix(name string) string {
	if slices.Contains(applicationPrograms(), name) {
		return "run it in the application with --exec-in and --exec-before, or use a mover image that has it"
	}
	return "use a mover image that has it (--mover-image)"
}

// missingPrograms returns the programs of a script that are not in the image.
func missingPrograms(script string) []program {
	if interpreter, ok := shebang(script); ok && !slices.Contains(shells(), interpreter) {
		if interpreter == "" || inImage(interpreter) {
			return nil
		}
		return []program{{interpreter, 1, 1}}
	}
	return slices.DeleteFunc(programsOf(script), func(p program) bool { return inImage(p.name) })
}

func shells() []string { return []string{"sh", "bash", "dash", "ash"} }

// shebang returns the interpreter that a script's first line names.
func shebang(script string) (interpreter string, ok bool) {
	line, _, _ := strings.Cut(script, "\n")
	line, ok = strings.CutPrefix(line, "#!")
	if !ok {
		return "", false
	}
	words := strings.Fields(line)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
	}
	if len(words) == 0 {
		return "", true
	}
	return path.Base(words[0]), true
}

// applicationPrograms talk to an application or to a cluster. Actions run in the
// mover, where neither is at hand, so the fix names the application hooks.
func applicationPrograms() []string {
	return strings.Fields(`pg_dump pg_dumpall pg_basebackup pg_isready psql vacuumdb mysql mysqldump mysqladmin mariadb
		mariadb-dump mariadb-backup xtrabackup mongodump mongoexport mongosh mongo redis-cli valkey-cli influx influxd
		sqlite3 cqlsh nodetool etcdctl rabbitmqctl kubectl oc helm crictl docker podman systemctl service supervisorctl gitlab-rake
		fsfreeze sqlcmd clickhouse-client cockroach`)
}

// inImage reports whether the mover image has the program: bash with its
// builtins, coreutils, kopia and this program itself.
func inImage(name string) bool { return slices.Contains(imagePrograms(), name) }

func imagePrograms() []string {
	return strings.Fields(bashBuiltins + coreutils + ` bash sh kopia kubectl-volsync_kopia `)
}

const (
	bashBuiltins = ` alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs
		disown echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout
		mapfile popd printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap
		true type typeset ulimit umask unalias unset wait . : [ `
	coreutils = ` arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp csplit cut
		date dd df dir dircolors dirname du env expand expr factor fmt fold groups head hostid id install join link
		ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr
		printenv ptx readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum shred
		shuf sleep sort split stat stdbuf stty sum sync tac tail tee timeout touch tr truncate tsort tty uname
		unexpand uniq unlink users vdir wc who whoami yes `
)
