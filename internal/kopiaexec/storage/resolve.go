package storage

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Resolve works out where a repository is from the Secret's keys and from what
// the manifest or a flag says (want). The Secret fills in what those leave open, and
// a Secret that says another place is an error, but for a directory that stands in
// for it (see result.FilesystemStorage). All problems come at once; the Location is usable if none is an Error.
func Resolve(want result.Storage, keys Keys) (Location, problem.List) {
	problems := checkPassword(keys)
	detected := Detect(keys)
	if open := checkPlaces(keys); len(open) > 0 {
		// Whatever is made of such a place would show the password.
		_, more := build(detected.Backend, detected.Because, result.Storage{}, keys)
		return Location{}, slices.Concat(problems, open, missing(more), detected.passedOver())
	}
	backend, because := Backend(want.Type()), "the manifest"
	switch {
	case backend == "" && detected.Backend == "":
		return Location{}, append(problems, noBackend(keys))
	case backend == "":
		backend, because = detected.Backend, detected.Because
		problems = append(problems, detected.passedOver()...)
	case detected.Backend != "" && detected.Backend != backend && !slices.Contains(detected.Others, backend):
		return Location{}, append(problems, problem.Problem{
			Code: "VK405", Severity: problem.Error, Path: detected.Because,
			Message: fmt.Sprintf("the repository is to be %s storage%s, but the Secret's %s says %s", backend, directory(want), detected.Because, detected.Backend),
			Fix:     "remove one of the two, or name another Secret",
		})
	}
	loc, more := build(backend, because, want, keys)
	return loc, append(problems, more...)
}

// codeMissingKey is the code of a key that the storage needs.
const codeMissingKey = "VK403"

// missing are those of the problems that name a missing key.
func missing(all problem.List) problem.List {
	return slices.DeleteFunc(all, func(p problem.Problem) bool { return p.Code != codeMissingKey })
}

// directory names the directory that is wanted, in brackets; nothing: no
// directory, or one that is not known yet.
func directory(want result.Storage) string {
	if want.Filesystem == nil || want.Filesystem.Path == "" {
		return ""
	}
	return " (" + want.Filesystem.Path + ")"
}

// passedOver warns of the backends that the Secret names too.
func (d Detection) passedOver() problem.List {
	if len(d.Others) == 0 {
		return nil
	}
	return problem.List{{
		Code: "VK406", Severity: problem.Warning, Path: d.Because,
		Message: fmt.Sprintf("the repository Secret names more than one kind of storage; %s is used, %v is not", d.Backend, d.Others),
		Fix:     "remove the keys of the storage that is not meant",
	}}
}

// schemeName is what may stand before ://; anything else is not shown, for it may
// be a password in the wrong place.
var schemeName = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,19}$`)

func noBackend(keys Keys) problem.Problem {
	p := problem.Problem{
		Code: "VK401", Severity: problem.Error, Path: repositoryKey,
		Message: "the repository Secret does not say where the repository is: no KOPIA_REPOSITORY and no bucket, container or host key",
		Fix:     "set KOPIA_REPOSITORY, for example s3://bucket/prefix or filesystem:///kopia/repository",
	}
	url := keys.text(repositoryKey)
	if url == "" {
		return p
	}
	p.Code = "VK404"
	if scheme, _ := splitURL(url); schemeName.MatchString(scheme) {
		p.Message = fmt.Sprintf("KOPIA_REPOSITORY starts with %q, which is no kind of storage that kopia has", scheme+"://")
	} else {
		p.Message = "KOPIA_REPOSITORY has no scheme such as s3:// or filesystem://"
	}
	return p
}

func checkPassword(keys Keys) problem.List {
	password := keys.text(passwordKey)
	switch {
	case password == "":
		return problem.List{{
			Code: "VK402", Severity: problem.Error, Path: passwordKey,
			Message: "the repository Secret has no KOPIA_PASSWORD, or it is empty",
			Fix:     "add the password that the repository was, or is to be, created with",
		}}
	case strings.HasPrefix(password, "$(") && strings.HasSuffix(password, ")"):
		return problem.List{{
			Code: "VK407", Severity: problem.Warning, Path: passwordKey,
			Message: "KOPIA_PASSWORD is the literal text of a shell command, which nothing runs: the text itself is the password",
			Fix:     "for a new repository put the command's output into the Secret; an existing one keeps the text",
		}}
	}
	return nil
}

// filesystemPath reads the path of filesystem:///abs/dir.
func filesystemPath(dir string) (string, *problem.Problem) {
	bad := func(why string) *problem.Problem {
		return &problem.Problem{
			Code: "VK404", Severity: problem.Error, Path: repositoryKey,
			Message: "KOPIA_REPOSITORY names the directory " + fmt.Sprintf("%q", dir) + ", " + why,
			Fix:     "write an absolute path, as filesystem:///kopia/repository",
		}
	}
	switch {
	case !strings.HasPrefix(dir, "/"):
		return "", bad("which is not absolute")
	case slices.Contains(strings.Split(dir, "/"), ".."):
		return "", bad("which leads upwards with \"..\"")
	case path.Clean(dir) == "/":
		return "", bad("which is the root of the file system")
	}
	return path.Clean(dir), nil
}
