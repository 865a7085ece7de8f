package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// hiddenNames returns the names of all flags that kopia's source declares as
// hidden, for any command. They are candidates only: the program decides.
func hiddenNames(ctx context.Context, pinningModule string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kopia/kopia")
	cmd.Dir = pinningModule
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("find kopia's source through %s: %w", pinningModule, err)
	}
	var names []string
	err = filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		found, err := hiddenNamesOf(path)
		names = append(names, found...)
		return err
	})
	slices.Sort(names)
	names = slices.Compact(names)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no hidden flag in %s: has its source moved?", strings.TrimSpace(string(out)))
	}
	return names, err
}

func hiddenNamesOf(path string) ([]string, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	ast.Inspect(tree, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && methodName(call) == "Hidden" {
			if name := declaredFlag(call); name != "" {
				names = append(names, name)
			}
		}
		return true
	})
	return names, nil
}

// declaredFlag walks down a chain such as app.Flag("x", "").Default("1").Hidden()
// and returns the flag's name, or "" when the chain declares something else.
func declaredFlag(call *ast.CallExpr) string {
	for call != nil {
		if methodName(call) == "Flag" && len(call.Args) > 0 {
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, _ := strconv.Unquote(lit.Value)
				return name
			}
			return ""
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		call, _ = sel.X.(*ast.CallExpr)
	}
	return ""
}

func methodName(call *ast.CallExpr) string {
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
		return sel.Sel.Name
	}
	return ""
}
