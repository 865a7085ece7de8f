// Package secret holds values that must never be printed.
//
// A Value prints as [redacted] through fmt, JSON, YAML and slog. The only way
// to its content is Reveal, so every use can be found by searching for it.
package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Value is a byte string that does not print.
type Value struct{ content []byte }

// New wraps content. The caller must not change content afterwards.
func New(content []byte) Value { return Value{content: content} }

// Reveal returns the content. Never log, print or wrap what it returns.
func (v Value) Reveal() []byte { return v.content }

// Empty reports whether there is no content.
func (v Value) Empty() bool { return len(v.content) == 0 }

// String implements fmt.Stringer.
func (v Value) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (v Value) GoString() string { return redacted }

// Format implements fmt.Formatter, so that no verb reaches the content.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue implements slog.LogValuer.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }
