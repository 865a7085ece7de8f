package spec

// The defaults of a KopiaMaintenance, as its CRD has them.
const (
	DefaultMaintenanceSchedule        = "0 2 * * *"
	DefaultMaintenanceDeadlineSeconds = 10800
	defaultSuccessfulJobs             = 3
	defaultFailedJobs                 = 1
)

// Trigger returns what starts the document's object by itself; the zero Trigger: nothing
// does.
func (d *Document) Trigger() Trigger {
	switch {
	case d.Source != nil && d.Source.Spec.Trigger != nil:
		return *d.Source.Spec.Trigger
	case d.Destination != nil && d.Destination.Spec.Trigger != nil:
		return *d.Destination.Spec.Trigger
	case d.Maintenance != nil:
		return d.Maintenance.Spec.TriggerInForce()
	}
	return Trigger{}
}

// TriggerInForce returns the trigger that counts: trigger itself, else the deprecated
// schedule, else the CRD's default of that.
func (s *KopiaMaintenanceSpec) TriggerInForce() Trigger {
	if t := s.Trigger; t != nil && (t.Schedule != nil || t.Manual != "") {
		return *t
	}
	schedule := s.Schedule
	if schedule == "" {
		schedule = DefaultMaintenanceSchedule
	}
	return Trigger{Schedule: &schedule}
}

// Defaulted returns the spec as the API server keeps it: what is left out has the CRD's
// default.
func (s KopiaMaintenanceSpec) Defaulted() KopiaMaintenanceSpec {
	if s.Schedule == "" {
		s.Schedule = DefaultMaintenanceSchedule
	}
	setDefault(&s.Enabled, true)
	setDefault(&s.SuccessfulJobsHistoryLimit, int32(defaultSuccessfulJobs))
	setDefault(&s.FailedJobsHistoryLimit, int32(defaultFailedJobs))
	setDefault(&s.ActiveDeadlineSeconds, int64(DefaultMaintenanceDeadlineSeconds))
	return s
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
