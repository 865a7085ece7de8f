package spec

import (
	"reflect"
	"slices"
	"strings"
)

// schema knows the fields of the Go types that documents are decoded into. It
// grows as types are met and belongs to one Parser.
type schema struct {
	structs map[reflect.Type]*structInfo
	places  map[string]map[string][]string
}

// structInfo is a struct as a decoder sees it: embedded structs flattened.
type structInfo struct {
	fields map[string][]int // JSON name to reflect index
	names  []string         // sorted
}

func newSchema() *schema {
	return &schema{
		structs: make(map[reflect.Type]*structInfo),
		places:  make(map[string]map[string][]string),
	}
}

// of returns the fields of a struct type.
func (s *schema) of(t reflect.Type) *structInfo {
	if info, ok := s.structs[t]; ok {
		return info
	}
	info := &structInfo{fields: make(map[string][]int)}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		info.fields[name] = f.Index
		info.names = append(info.names, name)
	}
	slices.Sort(info.names)
	s.structs[t] = info
	return info
}

// kind is one of the VolSync kinds and its Go type.
type kind struct {
	name string
	typ  reflect.Type
}

func kinds() []kind {
	return []kind{
		{KindReplicationSource, reflect.TypeFor[ReplicationSource]()},
		{KindReplicationDestination, reflect.TypeFor[ReplicationDestination]()},
		{KindKopiaMaintenance, reflect.TypeFor[KopiaMaintenance]()},
	}
}

// placesOf returns where a kind has fields of each name, as full paths. The
// fields of Kubernetes' own types are left out: their names are too common.
func (s *schema) placesOf(k kind) map[string][]string {
	if places, ok := s.places[k.name]; ok {
		return places
	}
	places := make(map[string][]string)
	s.collect(k.typ, "", places)
	s.places[k.name] = places
	return places
}

func (s *schema) collect(t reflect.Type, path string, places map[string][]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Metadata]().PkgPath() {
		return
	}
	info := s.of(t)
	for _, name := range info.names {
		full := strings.TrimPrefix(path+"."+name, ".")
		places[name] = append(places[name], full)
		s.collect(t.FieldByIndex(info.fields[name]).Type, full, places)
	}
}
