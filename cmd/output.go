package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The values of -o that are for people, and the one that prints names.
const (
	outputTable = "table"
	outputWide  = "wide"
	outputName  = "name"
)

// documentFormats are the values of -o that print a document, as kubectl names them.
func documentFormats() []string {
	return []string{
		"json", "yaml", outputName, "jsonpath=...", "jsonpath-as-json=...", "jsonpath-file=...",
		"go-template=...", "go-template-file=...", "custom-columns=...", "custom-columns-file=...",
	}
}

// outputFormats are all values of -o. A command without more columns takes wide as
// table, as kubectl does.
func outputFormats() []string { return append([]string{outputTable, outputWide}, documentFormats()...) }

// addOutputFlag adds -o.
func addOutputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "", "output format: "+strings.Join(outputFormats(), ", "))
}

// checkOutput refuses an unknown format, and a template that cannot be used,
// before anything is done.
func checkOutput(output string) error {
	if !isDocument(output) {
		return nil
	}
	if _, err := printerFor(output); err != nil {
		if genericclioptions.IsNoCompatiblePrinterError(err) {
			return fault.New(fault.Usage, "--output=%s is not one of %s", output, join(outputFormats()))
		}
		return fault.New(fault.Usage, "--output=%s: %w", output, err)
	}
	return nil
}

// isDocument reports whether the format prints a document, in place of text for people.
func isDocument(output string) bool {
	return !slices.Contains([]string{"", outputTable, outputWide}, output)
}

// printer prints one document, which is given with its names.
type printer func(w io.Writer, document any, names []string) error

// printerFor returns the printer of a format.
func printerFor(output string) (printer, error) {
	if spec, ok := strings.CutPrefix(output, "custom-columns="); ok {
		return columnsPrinter(spec)
	}
	if path, ok := strings.CutPrefix(output, "custom-columns-file="); ok {
		return columnsFilePrinter(path)
	}
	switch output {
	case "json":
		return func(w io.Writer, document any, _ []string) error { return writeJSON(w, document) }, nil
	case outputName:
		return writeNames, nil
	case "yaml":
		return objectPrinter(&printers.YAMLPrinter{}), nil
	}
	p, err := genericclioptions.NewKubeTemplatePrintFlags().ToPrinter(output)
	if err != nil {
		return nil, err
	}
	return objectPrinter(p), nil
}

// objectPrinter lets one of kubectl's own printers print the document.
func objectPrinter(p printers.ResourcePrinter) printer {
	return func(w io.Writer, document any, _ []string) error {
		object, err := objectOf(document)
		if err != nil {
			return err
		}
		return p.PrintObj(&unstructured.Unstructured{Object: object}, w)
	}
}

// objectOf is the document as a client that reads its JSON has it.
func objectOf(document any) (map[string]any, error) {
	data, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	return object, utiljson.Unmarshal(data, &object)
}

func writeNames(w io.Writer, _ any, names []string) error {
	for _, name := range names {
		if _, err := fmt.Fprintln(w, name); err != nil {
			return err
		}
	}
	return nil
}

// printDocument prints a document for scripts in the format, which checkOutput
// has accepted.
func (f *Factory) printDocument(output string, document any, names []string) error {
	p, err := printerFor(output)
	if err != nil {
		return err
	}
	return p(f.Streams.Out, document, names)
}

// writeJSON prints a document for scripts.
func writeJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

// objectName names an object as kubectl does with -o name.
func objectName(ref result.ObjectRef) []string {
	if ref.Name == "" {
		return nil
	}
	if ref.Kind == kindNamespace {
		return []string{"namespace/" + ref.Name}
	}
	return []string{strings.ToLower(ref.Kind) + ".volsync.backube/" + ref.Name}
}
