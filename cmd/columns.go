package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/util/jsonpath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

// column is one column of -o custom-columns.
type column struct {
	header string
	path   *jsonpath.JSONPath
}

// columnsPrinter prints a table of the columns HEADER:PATH,..., as kubectl get
// does: a row for each item of a list, and one for any other document.
func columnsPrinter(spec string) (printer, error) {
	var columns []column
	for part := range strings.SplitSeq(spec, ",") {
		header, path, ok := strings.Cut(part, ":")
		if !ok || header == "" || path == "" {
			return nil, fmt.Errorf("%q is no HEADER:PATH", part)
		}
		c := column{header, jsonpath.New(header).AllowMissingKeys(true)}
		if err := c.path.Parse(expression(path)); err != nil {
			return nil, fmt.Errorf("column %s: %w", header, err)
		}
		columns = append(columns, c)
	}
	return func(w io.Writer, document any, _ []string) error { return writeColumns(w, document, columns) }, nil
}

// columnsFilePrinter reads the headers from the file's first line and their
// paths from its second.
func columnsFilePrinter(path string) (printer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	headers, paths, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	names, fields := strings.Fields(headers), strings.Fields(paths)
	if len(names) == 0 || len(names) != len(fields) {
		return nil, errors.New("the file needs a line of headers and a line with as many paths")
	}
	pairs := make([]string, len(names))
	for i := range names {
		pairs[i] = names[i] + ":" + fields[i]
	}
	return columnsPrinter(strings.Join(pairs, ","))
}

// expression is a path as kubectl takes it, with or without braces and first dot.
func expression(path string) string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "{"), "}")
	if !strings.HasPrefix(path, ".") && !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	return "{" + path + "}"
}

func writeColumns(out io.Writer, document any, columns []column) error {
	object, err := objectOf(document)
	if err != nil {
		return err
	}
	rows := []any{object}
	if items, ok := object["items"].([]any); ok {
		rows = items
	}
	w := printers.GetNewTabWriter(out)
	headers := make([]string, len(columns))
	for i, c := range columns {
		headers[i] = c.header
	}
	fmt.Fprintln(w, printable.Row(headers...))
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			if cells[i], err = cellOf(c, row); err != nil {
				return err
			}
		}
		fmt.Fprintln(w, printable.Row(cells...))
	}
	return w.Flush()
}

// cellOf is what the row holds at the column's path.
func cellOf(c column, row any) (string, error) {
	found, err := c.path.FindResults(row)
	if err != nil {
		return "", fmt.Errorf("column %s: %w", c.header, err)
	}
	var values []string
	for _, set := range found {
		for _, v := range set {
			if v.IsValid() && v.CanInterface() && v.Interface() != nil {
				values = append(values, fmt.Sprint(v.Interface()))
			}
		}
	}
	if len(values) == 0 {
		return "<none>", nil
	}
	return strings.Join(values, ","), nil
}
