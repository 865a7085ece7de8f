package spec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// typeName names a node's type for a reader.
func typeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int":
		return "an integer"
	case "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "null"
	case "!!str", "!!timestamp", mergeTag:
		if plainBool(n) {
			return "a boolean"
		}
		return "a string"
	default:
		return "a value with a tag of its own"
	}
}

// plainBool reports a word that YAML 1.1, and so kubectl, takes for a boolean
// although YAML 1.2 does not.
func plainBool(n *yaml.Node) bool {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false
	}
	_, ok := yaml11Bool(n.Value)
	return ok
}

func yaml11Bool(s string) (value, ok bool) {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	default:
		return false, false
	}
}

// scalar decodes into a string, a boolean or an integer.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, at *trail) {
	s := follow(n)
	want := wantedName(v.Kind())
	if s.Kind != yaml.ScalarNode || !d.free[s] && typeName(s) != want {
		d.wrongType(n, at, want)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s.Value)
	case reflect.Bool:
		value, ok := parseBool(s.Value)
		if !ok {
			d.wrongType(n, at, want)
			return
		}
		v.SetBool(value)
	default:
		d.integer(n, v, at)
	}
}

func wantedName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	default:
		return "an integer"
	}
}

func parseBool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	default:
		return yaml11Bool(s)
	}
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, at *trail) {
	digits := strings.ReplaceAll(follow(n).Value, "_", "")
	i, err := strconv.ParseInt(digits, 0, v.Type().Bits())
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.unreadable(n, at, finding{
			code:    codeWrongType,
			message: fmt.Sprintf("does not fit into an integer of %d bits", v.Type().Bits()),
			fix:     "write a smaller number",
		})
	case err != nil:
		d.wrongType(n, at, "an integer")
	default:
		v.SetInt(i)
	}
}

// maxQuantity is longer than any quantity that means something; the parser's
// arithmetic is not made for more.
const maxQuantity = 64

func (d *decoder) quantity(n *yaml.Node, v reflect.Value, at *trail) {
	s := follow(n)
	if s.Kind != yaml.ScalarNode || !slices.Contains([]string{"a string", "an integer", "a number"}, typeName(s)) {
		d.wrongType(n, at, "a quantity")
		return
	}
	q, err := parseQuantity(s.Value)
	if err != nil {
		d.unreadable(n, at, finding{
			code:    codeQuantity,
			message: quoted(s.Value) + " is not a Kubernetes quantity",
			fix:     quantityFix(s.Value),
		})
		return
	}
	v.Set(reflect.ValueOf(q))
}

func parseQuantity(s string) (resource.Quantity, error) {
	if len(s) > maxQuantity {
		return resource.Quantity{}, resource.ErrFormatWrong
	}
	return resource.ParseQuantity(s)
}

// quantityFix knows the usual slips: "10GB", "10 Gi", "10gi".
func quantityFix(s string) string {
	compact := strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	number := strings.TrimRight(compact, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := strings.ToUpper(strings.TrimPrefix(compact, number))
	if len(number) > 0 && len(number) < 12 && len(unit) > 0 {
		thousands := map[byte]string{'K': "k", 'M': "M", 'G': "G", 'T': "T", 'P': "P", 'E': "E"}[unit[0]]
		binary := unit[:1] + "i"
		if _, err := resource.ParseQuantity(number + binary); err == nil && thousands != "" {
			return fmt.Sprintf("write %q (powers of 1024) or %q (powers of 1000)", number+binary, number+thousands)
		}
	}
	return "write a number with a unit of Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), as 10Gi"
}

func (d *decoder) time(n *yaml.Node, v reflect.Value, at *trail) {
	s := follow(n)
	if s.Kind != yaml.ScalarNode || typeName(s) != "a string" {
		d.wrongType(n, at, "a timestamp")
		return
	}
	t, err := time.Parse(time.RFC3339, s.Value)
	if err != nil {
		d.unreadable(n, at, finding{
			code:    codeTimestamp,
			message: quoted(s.Value) + " is not an RFC 3339 timestamp",
			fix:     timestampFix,
		})
		return
	}
	v.Set(reflect.ValueOf(metav1.Time{Time: t.UTC()}))
}

const timestampFix = "write date, time and zone, as 2026-01-31T18:00:00Z or 2026-01-31T19:00:00+01:00"

const shownValue = 40

// quoted quotes a value for a message, cut to a readable length.
func quoted(s string) string {
	if r := []rune(s); len(r) > shownValue {
		return strconv.Quote(string(r[:shownValue])) + "..."
	}
	return strconv.Quote(s)
}
