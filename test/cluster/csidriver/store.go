package csidriver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// kind is what an object is; it is also the name of its directory.
type kind string

const (
	volumes   kind = "volumes"
	snapshots kind = "snapshots"
)

// unfinished is the prefix of what is being made or removed.
const unfinished = "."

// metadata describes a volume or a snapshot.
type metadata struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	Source  source    `json:"source,omitzero"`
	Faults  Faults    `json:"faults,omitempty"`
}

// source is what an object's data was copied from; the zero source is nothing.
type source struct {
	Kind kind   `json:"kind"`
	ID   string `json:"id"`
}

// store keeps objects as directories, each with its metadata and its data. An
// object appears and disappears by a rename, so that none is ever half there.
type store struct{ dir string }

func openStore(dir string) (*store, error) {
	for _, k := range []kind{volumes, snapshots} {
		parent := filepath.Join(dir, string(k))
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return nil, err
		}
		left, err := filepath.Glob(filepath.Join(parent, unfinished+"*"))
		if err != nil {
			return nil, err
		}
		for _, name := range left {
			if err := os.RemoveAll(name); err != nil {
				return nil, err
			}
		}
	}
	return &store{dir: dir}, nil
}

var idPattern = regexp.MustCompile(`^(volume|snapshot)-[0-9a-f]{32}$`)

// idOf derives an id from the name that a caller chose: the same for a call
// that is repeated, and safe as a file name whatever the name holds.
func idOf(k kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return strings.TrimSuffix(string(k), "s") + "-" + hex.EncodeToString(sum[:16])
}

func (s *store) path(k kind, id string) string { return filepath.Join(s.dir, string(k), id) }

// data is the directory with an object's files.
func (s *store) data(k kind, id string) string { return filepath.Join(s.path(k, id), "data") }

// load reads an object's metadata; an id that is none is NOT_FOUND too.
func (s *store) load(k kind, id string) (metadata, error) {
	missing := status.Errorf(codes.NotFound, "%s has no %q", k, id)
	if !idPattern.MatchString(id) {
		return metadata{}, missing
	}
	data, err := os.ReadFile(filepath.Join(s.path(k, id), "metadata.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return metadata{}, missing
	}
	if err != nil {
		return metadata{}, err
	}
	var m metadata
	if err := json.Unmarshal(data, &m); err != nil {
		return metadata{}, fmt.Errorf("metadata of %s: %w", id, err)
	}
	return m, nil
}

// create makes an object: an empty directory of the given mode, or a copy of
// the data of its source.
func (s *store) create(k kind, m *metadata, rootMode fs.FileMode) (err error) {
	half := s.path(k, unfinished+"new-"+m.ID)
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(half))
		}
	}()
	data := filepath.Join(half, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if m.Source == (source{}) {
		err = os.Chmod(data, rootMode)
	} else {
		err = copyTree(s.data(m.Source.Kind, m.Source.ID), data)
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(half, "metadata.json"), text, 0o600); err != nil {
		return err
	}
	return os.Rename(half, s.path(k, m.ID))
}

// remove deletes an object; one that is not there is removed already.
func (s *store) remove(k kind, id string) error {
	if !idPattern.MatchString(id) {
		return nil
	}
	half := s.path(k, unfinished+"old-"+id)
	if err := os.Rename(s.path(k, id), half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(half)
}

// list returns all objects of a kind, by id.
func (s *store) list(k kind) ([]metadata, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, string(k)))
	if err != nil {
		return nil, err
	}
	var all []metadata
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		m, err := s.load(k, e.Name())
		if status.Code(err) == codes.NotFound {
			continue // removed since the directory was read
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
