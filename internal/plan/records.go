package plan

import corev1 "k8s.io/api/core/v1"

// records are where start and outcome of a run are written: the history, which is made
// where there is none, and the object's status.
func (b *builder) records() (history Template, status *Status) {
	status = &Status{}
	if b.statusObject() {
		status.Object = &b.object
	}
	return b.template(b.history()), status
}

// recordNames name the records for people.
func recordNames(history Template, status *Status) []string {
	names := []string{"ConfigMap " + history.Name()}
	if o := status.Object; o != nil {
		names = append([]string{o.Kind + " " + o.Name}, names...)
	}
	return names
}

// history is the ConfigMap of the source's last Results.
func (b *builder) history() *corev1.ConfigMap {
	return &corev1.ConfigMap{TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: b.lastingMeta(NameStatus, RoleHistory)}
}
