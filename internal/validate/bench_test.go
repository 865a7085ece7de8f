package validate_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

const benchSource = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata:
  name: app-%[1]d
  namespace: team-%[2]d
spec:
  sourcePVC: data-%[1]d
  trigger:
    schedule: "0 2 * * *"
  kopia:
    repository: kopia-config
    copyMethod: Snapshot
    retain:
      hourly: 24
      daily: 7
    compression: zstd
    parallelism: 4
    cacheCapacity: 2Gi
    policyConfig:
      configMapName: policies
    actions:
      beforeSnapshot: |
        #!/bin/bash
        sync && date > /data/.backup-time
    additionalArgs:
      - "--parallel=8"
      - "--one-file-system"
`

const benchPolicies = `apiVersion: v1
kind: ConfigMap
metadata:
  name: policies
data:
  global-policy.json: |
    {"retention": {"keepAnnual": 3}}
  repository.config: |
    {"enableActions": true}
`

// judgeMany judges n files with a source each, one after the other, and returns
// the problems and the memory in use before the last step.
func judgeMany(n int, memory *uint64) problem.List {
	parser := spec.NewParser(spec.Options{})
	validator := validate.New(validate.Options{})
	judge := func(name, text string) {
		set, _ := parser.Parse(spec.Input{Name: name, Data: []byte(text)})
		for _, d := range set.Documents {
			validator.Add(d)
		}
	}
	for i := range n {
		judge(fmt.Sprintf("clusters/prod/team-%d/app-%d.yaml", i%100, i), fmt.Sprintf(benchSource, i, i%100))
	}
	judge("policies.yaml", benchPolicies)
	if memory != nil {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		*memory = m.HeapAlloc
	}
	return validator.Finish()
}

// The goal is 5 s on two cores.
func BenchmarkValidate10000(b *testing.B) {
	for b.Loop() {
		judgeMany(10_000, nil)
	}
}

// What is kept of a source must not hold on to its text or its tree: those are
// about 30 KiB each here.
func TestMemoryDoesNotGrowWithTheTextOfTheFiles(t *testing.T) {
	var small, large uint64
	judgeMany(100, &small)
	judgeMany(1100, &large)
	const limit = 4096 // bytes a source, its one finding included
	if grown := int64(large) - int64(small); grown > 1000*limit {
		t.Errorf("1000 more sources keep %d bytes each, more than %d", grown/1000, limit)
	}
}
