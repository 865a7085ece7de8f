package spec

import (
	"fmt"
	"runtime"
	"testing"
)

func manifest(i int) []byte {
	return fmt.Appendf(nil, `---
apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata:
  name: app-%d
  namespace: team-%d
spec:
  sourcePVC: data-%d
  trigger:
    schedule: "0 2 * * *"
  kopia:
    repository: kopia-config
    copyMethod: Snapshot
    retain:
      hourly: 24
      daily: 7
      weekly: 4
    compression: zstd
    parallelism: 4
    cacheCapacity: 2Gi
    moverSecurityContext:
      runAsUser: 1000
      fsGroup: 1000
    additionalArgs:
      - "--one-file-system"
      - "--ignore=*.tmp"
`, i, i%100, i)
}

func BenchmarkParseOneSource(b *testing.B) {
	data := manifest(1)
	b.ReportAllocs()
	for b.Loop() {
		p := NewParser(Options{})
		if _, problems := p.Parse(Input{Name: "in.yaml", Data: data}); len(problems) > 0 {
			b.Fatal(write(problems))
		}
	}
}

// BenchmarkParse10000Sources goes through 10,000 files as validate does, and
// reports the memory that the Parser keeps afterwards.
func BenchmarkParse10000Sources(b *testing.B) {
	const count = 10_000
	b.ReportAllocs()
	for b.Loop() {
		p := NewParser(Options{})
		for i := range count {
			if _, problems := p.Parse(Input{Name: "in.yaml", Data: manifest(i)}); len(problems) > 0 {
				b.Fatal(write(problems))
			}
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-kept")
		runtime.KeepAlive(p)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*count), "µs/source")
}

// BenchmarkPositionInLargePolicy locates the last line of a policy of 1 MiB.
func BenchmarkPositionInLargePolicy(b *testing.B) {
	text := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata:\n  p.json: |\n")
	const lines = 1 << 14
	for range lines {
		text = append(text, "    "+`{"path": "0123456789012345678901234567890123456789"}`+"\n"...)
	}
	set, _ := Parse([]Input{{Name: "p.yaml", Data: text}}, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if at := set.Documents[0].PositionIn(`data["p.json"]`, lines, 3); at.Line != lines+5 {
			b.Fatal(at)
		}
	}
}
