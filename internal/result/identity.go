package result

// Identity is what kopia records a snapshot under: user@host:/path. That of a
// maintenance has no path.
type Identity struct {
	Username string `json:"username"`
	Hostname string `json:"hostname"`
	// Path is absolute, as recorded; it need not exist on any machine.
	Path string `json:"path"`
}

// String prints user@host:/path, or user@host without a path: kopia's own form.
func (i Identity) String() string {
	if i.Path == "" {
		return i.Username + "@" + i.Hostname
	}
	return i.Username + "@" + i.Hostname + ":" + i.Path
}

// ObjectRef names the object that a run is for.
type ObjectRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// String prints Kind namespace/name, or Kind name of what lies in no namespace.
func (o ObjectRef) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}
