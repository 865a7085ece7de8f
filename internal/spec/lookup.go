package spec

// Sources returns the ReplicationSources in the order of the input.
func (s *Set) Sources() []*Document {
	return s.filter(func(d *Document) bool { return d.Source != nil })
}

// Destinations returns the ReplicationDestinations in the order of the input.
func (s *Set) Destinations() []*Document {
	return s.filter(func(d *Document) bool { return d.Destination != nil })
}

// Maintenances returns the KopiaMaintenances in the order of the input.
func (s *Set) Maintenances() []*Document {
	return s.filter(func(d *Document) bool { return d.Maintenance != nil })
}

// SecretFor returns the Secret of that name, or nil. An empty namespace, asked
// for or in the document, matches any; the Secret whose namespace is the very
// one asked for is preferred.
func (s *Set) SecretFor(namespace, name string) *Document {
	return s.find(namespace, name, func(d *Document) bool { return d.Secret != nil })
}

// ConfigMapFor is SecretFor for ConfigMaps.
func (s *Set) ConfigMapFor(namespace, name string) *Document {
	return s.find(namespace, name, func(d *Document) bool { return d.ConfigMap != nil })
}

func (s *Set) filter(keep func(*Document) bool) []*Document {
	var out []*Document
	for _, d := range s.Documents {
		if keep(d) {
			out = append(out, d)
		}
	}
	return out
}

func (s *Set) find(namespace, name string, is func(*Document) bool) *Document {
	var loose *Document
	for _, d := range s.Documents {
		if !is(d) {
			continue
		}
		m := d.Metadata()
		switch {
		case m.Name != name:
		case m.Namespace == namespace:
			return d
		case loose == nil && (m.Namespace == "" || namespace == ""):
			loose = d
		}
	}
	return loose
}
