package policy

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// action checks one of kopia's own actions. It runs in the mover with the
// mover's rights, so it needs a word from the caller besides the file.
func (w *walker) action(value any, pointer string) (any, bool) {
	members, ok := value.(map[string]any)
	if !ok {
		w.wrong(pointer, "must be an object with path or script, not "+describe(value),
			"for a shell command use spec.kopia.actions")
		return nil, false
	}
	if len(stored(members)) == 0 {
		return nil, false
	}
	inner := &walker{doc: w.doc, names: w.names, unplaced: w.unplaced, sensitive: w.sensitive, found: settings{}}
	inner.object(map[string]rule{
		"path": {kind: kindText}, "script": {kind: kindText}, "args": {kind: kindTexts},
		"timeout": {kind: kindInteger, max: math.MaxInt32}, "mode": {kind: kindText},
	}, members, pointer)
	if mode, isText := members["mode"].(string); isText && mode != "" && mode != "essential" && mode != "optional" && mode != "async" {
		inner.wrong(pointer+"/mode", "must be essential, optional or async", "choose one of these")
	}
	w.notes = append(w.notes, inner.notes...)
	if hasErrors(inner.notes) {
		return nil, false
	}
	if !w.allowActions {
		w.note(codeActions, problem.Warning, pointer,
			fmt.Sprintf("%q is an action that kopia itself would run in the mover; it is left out", lastKey(pointer)),
			"use spec.kopia.actions, or give --allow-policy-actions")
		return nil, false
	}
	w.note(codeActions, problem.Info, pointer,
		fmt.Sprintf("%q is an action that kopia runs in the mover", lastKey(pointer)), "")
	return stored(members), true
}

// stored drops what kopia does not store of an action.
func stored(members map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range members {
		if number, ok := value.(json.Number); ok {
			n, _ := wholeNumber(number)
			value = json.Number(strconv.FormatInt(n, 10))
		}
		if !isNothing(value) && !isZero(value) {
			kept[key] = value
		}
	}
	return kept
}

func hasErrors(notes []Note) bool {
	for i := range notes {
		if notes[i].Severity == problem.Error {
			return true
		}
	}
	return false
}
