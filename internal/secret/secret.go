// Package secret holds values that must never be printed.
//
// A Value prints as [redacted] through fmt, JSON, YAML and slog. The only way
// to its content is Reveal, so every use can be found by searching for it.
package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Value is a byte string that does not print. The zero Value is empty.
type Value struct {
	// A function, because fmt cannot call Format on a Value in an unexported
	// field of another struct: of a function it prints the address.
	content func() []byte
}

// New wraps content. The caller must not change content afterwards.
func New(content []byte) Value {
	return Value{content: func() []byte { return content }}
}

// Reveal returns the content. Never log, print or wrap what it returns.
func (v Value) Reveal() []byte {
	if v.content == nil {
		return nil
	}
	return v.content()
}

// Empty reports whether there is no content.
func (v Value) Empty() bool { return len(v.Reveal()) == 0 }

// Equal reports whether both hold the same content. Without it go-cmp cannot
// compare anything that holds a Value.
func (v Value) Equal(other Value) bool { return bytes.Equal(v.Reveal(), other.Reveal()) }

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
