package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// resultPackage holds the wire types that the pages describe.
const resultPackage = "internal/result"

func events() ([]byte, error) {
	return typePage(`# Events

`+generated+"With `--progress=json` every line on standard error is one Event, from the first finding of a manifest to a last `result`;\n"+
		"only a command line that cannot be read is told of in words. In a mover's log the same documents are the lines that\n"+
		"start with `VK1 {`; all other lines are text for people. Fields are only added, never renamed; ignore the types and\n"+
		"fields that you do not know.\n", "Event", "Progress", "EventType")
}

func results() ([]byte, error) {
	return typePage(`# Result

`+generated+"With `-o json` a run ends with one Result on standard output; several sources give a [Report](report.md) with one in `items` each.\n"+
		fmt.Sprintf("The mover writes the same document, without `snapshots` and `problems`, as its termination message of at most %d bytes. While it is\n",
			result.TerminationMessageBytes)+
		"too long these steps are taken, one after the other. What none of them names, the outcome and the snapshot's id above\n"+
		"all, is always there.\n"+reductions(),
		"Result", "Outcome", "Snapshot", "FileError", "Identity", "ObjectRef", "RepositoryInfo", "Absence", "PolicyReport", "PolicyChange",
		"ActionReport", "RestoreReport", "MaintenanceReport", "MaintenanceCycle", "Warning", "Phase", "CacheUse", "Operation", "Proof")
}

// reductions is the table of what is left out of a termination message.
func reductions() string {
	var b strings.Builder
	b.WriteString("\n| step | fields | what becomes of them |\n|---|---|---|\n")
	for i, step := range result.Reductions() {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", i+1, strings.Join(step.Fields, "`, `"), step.How)
	}
	return b.String()
}

// typePage describes the named types of the result package, in that order.
func typePage(intro string, names ...string) ([]byte, error) {
	files, err := parsePackage(resultPackage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(intro)
	for _, name := range names {
		decl, spec := findType(files, name)
		if spec == nil {
			return nil, fmt.Errorf("type %s is not in %s", name, resultPackage)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", name, oneLine(decl.Doc))
		switch t := spec.Type.(type) {
		case *ast.StructType:
			writeFields(&b, t, names)
		case *ast.Ident:
			writeValues(&b, files, name)
		}
	}
	return b.Bytes(), nil
}

func parsePackage(dir string) ([]*ast.File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func findType(files []*ast.File, name string) (*ast.GenDecl, *ast.TypeSpec) {
	for _, f := range files {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				continue
			}
			for _, s := range decl.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok && spec.Name.Name == name {
					return decl, spec
				}
			}
		}
	}
	return nil, nil
}

// writeFields writes a table with a row for each JSON field. here are the types
// that the page describes; the others are in result.md.
func writeFields(b *bytes.Buffer, t *ast.StructType, here []string) {
	b.WriteString("\n| field | type | meaning |\n|---|---|---|\n")
	for _, f := range t.Fields.List {
		name, optional := jsonName(f)
		kind := typeName(f.Type, here)
		if optional {
			kind += ", optional"
		}
		text := oneLine(f.Doc)
		if text == "" {
			text = oneLine(f.Comment)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, kind, cell(text))
	}
}

func jsonName(f *ast.Field) (name string, optional bool) {
	tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
	name, options, _ := strings.Cut(tag, ",")
	return name, strings.Contains(options, "omitempty")
}

// typeName names a Go type as a reader of JSON knows it.
func typeName(e ast.Expr, here []string) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return typeName(t.X, here)
	case *ast.ArrayType:
		return "array of " + typeName(t.Elt, here)
	case *ast.MapType:
		return "object of " + typeName(t.Value, here)
	case *ast.SelectorExpr: // time.Time and problem.List are the only foreign types
		if t.Sel.Name == "List" {
			return "array of [findings](findings.md#as-json)"
		}
		return "RFC 3339 time"
	case *ast.Ident:
		switch t.Name {
		case "int", "int64", "int32":
			return "integer"
		case "bool":
			return "boolean"
		case "Duration":
			return "duration, as `2m51s`"
		case "string":
			return "string"
		case "Severity":
			return "`error`, `warning` or `info`"
		}
		page := ""
		if !slices.Contains(here, t.Name) {
			page = "result.md"
		}
		return "[" + t.Name + "](" + page + "#" + strings.ToLower(t.Name) + ")"
	}
	return "value"
}

// writeValues lists the constants of a string type.
func writeValues(b *bytes.Buffer, files []*ast.File, typ string) {
	var values []string
	for _, f := range files {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if ok && decl.Tok == token.CONST {
				values = append(values, constants(decl, typ)...)
			}
		}
	}
	slices.Sort(values)
	b.WriteString("\n" + strings.Join(values, ", ") + "\n")
}

func constants(decl *ast.GenDecl, typ string) []string {
	var values []string
	for _, s := range decl.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			continue
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				values = append(values, "`"+strings.Trim(lit.Value, `"`)+"`")
			}
		}
	}
	return values
}

// oneLine joins a comment's lines.
func oneLine(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return strings.Join(strings.Fields(c.Text()), " ")
}
