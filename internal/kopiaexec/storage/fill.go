package storage

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// place fills a part of the place from the first of the keys that has a value, or
// else from the URL. One that the manifest says must be the same.
func (b *builder) place(field *string, urlPart string, names ...string) {
	name, value := b.keys.first(names...)
	if value == "" {
		name, value = repositoryKey, urlPart
	}
	if value != "" && *field != "" && *field != value {
		b.disagree(name, *field, value)
	}
	fill(field, value)
}

// prefix fills the prefix of an object store from the URL. One of the manifest's
// may lack the slash at its end.
func (b *builder) prefix(field *string) {
	given := objectPrefix(b.tail)
	if given != "" && *field != "" && objectPrefix(*field) != given {
		b.disagree(repositoryKey, *field, given)
	}
	fill(field, given)
}

// port fills a port from the URL or SFTP_PORT.
func (b *builder) port(field *int, urlPart string) {
	name, value := b.keys.first("SFTP_PORT")
	if value == "" {
		name, value = repositoryKey, urlPart
	}
	if value == "" || *field != 0 {
		return
	}
	const highest = 65535
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > highest {
		b.unusable(name, "the port is not a number from 1 to 65535", "correct the port, or leave it out for 22")
		return
	}
	*field = n
}

// splitPort cuts host:port; the port is empty where there is none. The host may be
// an IPv6 address in brackets.
func splitPort(address string) (host, port string) {
	if inside, ok := strings.CutPrefix(address, "["); ok {
		host, port, _ = strings.Cut(inside, "]")
		return host, strings.TrimPrefix(port, ":")
	}
	host, port, _ = strings.Cut(address, ":")
	return host, port
}

// credential copies the first of a credential's keys that has a value.
func (b *builder) credential(c credentialKeys) {
	name, value := b.keys.first(c.keys...)
	if name == "" {
		return
	}
	var object map[string]json.RawMessage
	if c.field == keyFileField && json.Unmarshal([]byte(value), &object) != nil {
		b.unusable(name, "it is not the content of a JSON key file", "put the content of the file there, not its path")
		return
	}
	b.loc.credentials[c.field] = secret.New([]byte(value))
}

// need reports that a value is missing, and the keys of which one would give it.
func (b *builder) need(value string, names ...string) bool {
	if value != "" {
		return false
	}
	key := strings.Join(names, " or ")
	b.problems = append(b.problems, problem.Problem{
		Code: codeMissingKey, Severity: problem.Error, Path: key,
		Message: fmt.Sprintf("%s storage (chosen by %s) needs the key %s in the repository Secret", b.backend, b.because, key),
		Fix:     "add the key to the Secret",
	})
	return true
}

func (b *builder) needKey(names ...string) {
	_, value := b.keys.first(names...)
	b.need(value, names...)
}

// disagree reports a part of the place that the manifest and the Secret give
// differently. Both are shown: a place with a password in it never gets here.
func (b *builder) disagree(key, manifest, value string) {
	b.problems = append(b.problems, problem.Problem{
		Code: "VK405", Severity: problem.Error, Path: key,
		Message: fmt.Sprintf("the repository is to be in %q, but the Secret's %s says %q", manifest, key, value),
		Fix:     "remove one of the two, or name another Secret",
	})
}

// unusable reports a value of the Secret that kopia could not use, without it.
func (b *builder) unusable(key, why, fix string) {
	b.problems = append(b.problems, problem.Problem{
		Code: "VK410", Severity: problem.Error, Path: key, Message: key + " cannot be used: " + why, Fix: fix,
	})
}

func fill(field *string, values ...string) {
	for _, v := range values {
		if *field == "" {
			*field = v
		}
	}
}

// objectPrefix makes a prefix of an object store end in one slash, as kopia
// needs it, and collapses runs of slashes.
func objectPrefix(tail string) string {
	parts := strings.FieldsFunc(tail, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "/") + "/"
}
