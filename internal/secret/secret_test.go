package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

func TestNoWayOfPrintingShowsTheContent(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry"
	v := secret.New([]byte(canary))
	holder := struct {
		V      secret.Value
		hidden secret.Value
	}{v, v}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", v, &v, holder)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := marshal(map[string]any{"value": v, "pointer": &v, "holder": holder})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "holder", holder)

	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprint([]byte(canary)), "YzRuNHJ5"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printed as %q in:\n%s", form, out.String())
		}
	}
	if string(v.Reveal()) != canary {
		t.Error("Reveal does not return the content")
	}
}

// What cannot be looked into can still be compared.
func TestEqualValuesHoldTheSame(t *testing.T) {
	t.Parallel()
	holds := func(content string) map[string]secret.Value {
		return map[string]secret.Value{"k": secret.New([]byte(content))}
	}
	if !cmp.Equal(holds("a"), holds("a")) || cmp.Equal(holds("a"), holds("b")) || !cmp.Equal(secret.Value{}, secret.New(nil)) {
		t.Error("values are not compared by their content")
	}
}
