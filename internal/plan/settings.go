package plan

import (
	"strconv"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Settings are what a run uses beside policies: limits of speed, the switch and
// the time limit of actions, the repository's maintenance schedule, and what a new
// repository is made with. One that is absent is kopia's or this tool's default.
type Settings struct {
	Values []Setting `json:"values,omitempty"`
	// Unread names the documents that the plan does not read and that may give
	// settings which are not among Values.
	Unread []string `json:"unread,omitempty"`
}

// Setting is one of them.
type Setting struct {
	// Name is the key of repository.config, or the path in
	// policyConfig.repositoryConfig, as maintenance.fullCycle.interval; or splitter.
	Name string `json:"name"`
	// Value is in bytes per second for a speed; empty for a sensitive one.
	Value string `json:"value,omitempty"`
	// Sensitive is true for a value that comes from a Secret.
	Sensitive bool `json:"sensitive,omitempty"`
	// From is the document or field that decided.
	From string `json:"from"`
	// When is the condition; empty: always.
	When string `json:"when,omitempty"`
}

// The names of the settings that are speeds.
const (
	settingUpload   = "uploadSpeed"
	settingDownload = "downloadSpeed"
)

// settings are those that the mover will work out from the same documents. What
// only reads has no actions, sets no schedule and makes no repository.
func (b *builder) settings(p policies, task *result.Task) Settings {
	r, repository := p.resolved, task.Repository
	s := Settings{Values: limitSettings(p, repository)}
	if task.Backup != nil {
		s.Values = append(s.Values, actionSettings(r)...)
		s.Values = append(s.Values, maintenanceSettings(r)...)
	}
	if p.unread {
		s.Unread = append(s.Unread, b.policyObject()+", key "+p.config)
	}
	if !mayCreate(repository) {
		return s
	}
	s.Values = append(s.Values, creationSettings(r)...)
	if b.in.Env.Local == nil {
		s.Unread = append(s.Unread, "secret/"+b.kopia.Repository+", key KOPIA_MANUAL_CONFIG")
	}
	return s
}

// mayCreate reports whether the run makes a missing repository.
func mayCreate(r result.RepositoryTask) bool {
	return r.Create == result.CreateAlways || r.Create == result.CreateAuto && !r.SourceHasSynced
}

// limitSettings are the speeds; an argument wins over a document.
func limitSettings(p policies, task result.RepositoryTask) []Setting {
	var list []Setting
	for _, limit := range []struct {
		name                 string
		argument, configured int64
		setting              policy.Setting
	}{
		{settingUpload, task.UploadBytesPerSecond, p.resolved.Limits.UploadBytesPerSecond, policy.SettingUpload},
		{settingDownload, task.DownloadBytesPerSecond, p.resolved.Limits.DownloadBytesPerSecond, policy.SettingDownload},
	} {
		switch {
		case limit.argument > 0:
			list = append(list, Setting{Name: limit.name, Value: strconv.FormatInt(limit.argument, 10), From: "spec.kopia.additionalArgs"})
		case limit.configured > 0:
			list = append(list, setting(p.resolved, limit.setting, limit.name, strconv.FormatInt(limit.configured, 10)))
		}
	}
	return list
}

// actionSettings are the switch and the time limit of actions.
func actionSettings(r policy.Resolution) []Setting {
	var list []Setting
	if r.EnableActions != nil {
		list = append(list, setting(r, policy.SettingEnableActions, "enableActions", strconv.FormatBool(*r.EnableActions)))
	}
	if r.ActionTimeout > 0 {
		list = append(list, setting(r, policy.SettingActionTimeout, "actionCommandTimeout", span(result.Duration(r.ActionTimeout))))
	}
	return list
}

// creationSettings are those of a new repository.
func creationSettings(r policy.Resolution) []Setting {
	overhead := ""
	if n := r.Creation.ECCOverheadPercent; n > 0 {
		overhead = strconv.Itoa(n)
	}
	return chosen(r, "if the repository is created", []choice{
		{"encryptionAlgorithm", r.Creation.Encryption, policy.SettingEncryption},
		{"hashingAlgorithm", r.Creation.Hash, policy.SettingHash},
		{"splitter", r.Creation.Splitter, policy.SettingSplitter},
		{"ecc", r.Creation.ECC, policy.SettingECC},
		{"eccOverheadPercent", overhead, policy.SettingECCOverheadPercent},
	})
}

// maintenanceSettings are the repository's maintenance schedule. The mover compares
// it with what an earlier run of this source has set.
func maintenanceSettings(r policy.Resolution) []Setting {
	return chosen(r, "unless an earlier run has set it", []choice{
		{"maintenance.enabled", switched(r.Maintenance.Enabled), policy.SettingMaintenance},
		{"maintenance.quickCycle.enabled", switched(r.Maintenance.QuickEnabled), policy.SettingQuickEnabled},
		{"maintenance.quickCycle.interval", interval(r.Maintenance.QuickInterval), policy.SettingQuickInterval},
		{"maintenance.fullCycle.enabled", switched(r.Maintenance.FullEnabled), policy.SettingFullEnabled},
		{"maintenance.fullCycle.interval", interval(r.Maintenance.FullInterval), policy.SettingFullInterval},
	})
}

// choice is a setting with its value as text; empty: not given.
type choice struct {
	name, value string
	setting     policy.Setting
}

// chosen lists the settings that are given.
func chosen(r policy.Resolution, when string, choices []choice) []Setting {
	var list []Setting
	for _, c := range choices {
		if c.value != "" {
			s := setting(r, c.setting, c.name, c.value)
			s.When = when
			list = append(list, s)
		}
	}
	return list
}

// switched is a switch as text; empty: not given.
func switched(on *bool) string {
	if on == nil {
		return ""
	}
	return strconv.FormatBool(*on)
}

// interval is a time as text; empty: not given.
func interval(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return span(result.Duration(d))
}

// setting is one value of a document, or only its name if that is a Secret's.
func setting(r policy.Resolution, which policy.Setting, name, value string) Setting {
	origin := r.Origins[which]
	if origin.Sensitive {
		value = ""
	}
	return Setting{Name: name, Value: value, Sensitive: origin.Sensitive, From: origin.From}
}
