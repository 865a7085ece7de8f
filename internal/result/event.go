package result

import "time"

// EventPrefix starts every machine line of a mover's log; the rest of the line
// is one Event. All other lines are text for people.
const EventPrefix = "VK1 "

// EventType says which part of an Event is filled.
type EventType string

// The types of events.
const (
	// EventStart comes first, from the command: its message names the run.
	EventStart EventType = "start"
	EventPhase EventType = "phase"
	// EventFailed says that the phase under way has failed, before the next one begins.
	EventFailed   EventType = "failed"
	EventProgress EventType = "progress"
	EventSnapshot EventType = "snapshot"
	EventResult   EventType = "result"
	EventWarning  EventType = "warning"
	// EventLog is a line of the mover, of kopia or of a hook.
	EventLog EventType = "log"
	// EventNote is what the command itself has to say: why it waits, mostly.
	EventNote EventType = "note"
	// EventReached is what the command has waited for and now sees.
	EventReached EventType = "reached"
	// EventHeartbeat comes from a mover whose phase has been silent for a while.
	EventHeartbeat EventType = "heartbeat"
)

// Told reports whether the event's message is a line for people.
func (e Event) Told() bool {
	return e.Type == EventLog || e.Type == EventNote || e.Type == EventReached
}

// Event is one line of --progress=json and of the machine lines in a mover's log.
type Event struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`
	RunID      string    `json:"runID"`
	Type       EventType `json:"type"`
	// Phase names what begins now, in a heartbeat what is still going on, and in a
	// failed what has failed: what comes after it, as the clean-up, may go well.
	Phase    string    `json:"phase,omitempty"`
	Message  string    `json:"message,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	// Snapshot is the manifest that kopia printed, before it is proved.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Warning  *Warning  `json:"warning,omitempty"`
	Result   *Result   `json:"result,omitempty"`
}

// Of returns the Event as one of the run, at that time.
func (e Event) Of(runID string, at time.Time) Event {
	e.APIVersion, e.Kind, e.RunID, e.Time = APIVersion, KindEvent, runID, at
	return e
}

// Progress is how far an upload or restore is. Numbers never go back.
type Progress struct {
	HashedFiles int64 `json:"hashedFiles"`
	HashedBytes int64 `json:"hashedBytes"`
	CachedFiles int64 `json:"cachedFiles"`
	CachedBytes int64 `json:"cachedBytes"`
	// UploadedBytes went to the storage.
	UploadedBytes int64 `json:"uploadedBytes"`
	// EstimatedBytes and EstimatedSeconds are kopia's estimates; 0: none yet.
	EstimatedBytes   int64 `json:"estimatedBytes,omitempty"`
	EstimatedSeconds int64 `json:"estimatedSeconds,omitempty"`
	Errors           int64 `json:"errors,omitempty"`
}
