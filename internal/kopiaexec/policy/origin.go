package policy

import "strings"

// Setting names a value that a document gives beside its policies.
type Setting string

// The settings that decide about a backup.
const (
	SettingUpload             Setting = toUpload
	SettingDownload           Setting = toDownload
	SettingEnableActions      Setting = toEnableActions
	SettingActionTimeout      Setting = toActionTimeout
	SettingEncryption         Setting = toEncryption
	SettingHash               Setting = toHash
	SettingSplitter           Setting = toCreationSplitter
	SettingECC                Setting = toECC
	SettingECCOverheadPercent Setting = toECCOverhead
	SettingMaintenance        Setting = toMaintenance
	SettingQuickInterval      Setting = toQuickInterval
	SettingQuickEnabled       Setting = toQuickEnabled
	SettingFullInterval       Setting = toFullInterval
	SettingFullEnabled        Setting = toFullEnabled
)

// Origin says which document a setting was taken from.
type Origin struct {
	// From is the document's name.
	From string
	// Sensitive is true when that is a Secret's: the value must not be shown.
	Sensitive bool
}

// remember keeps the origins of the document's settings; a later document that
// gives a setting too takes its place.
func (r *Resolution) remember(found settings) {
	for to, s := range found {
		if !strings.HasPrefix(to, "#") {
			continue
		}
		if r.Origins == nil {
			r.Origins = map[Setting]Origin{}
		}
		r.Origins[Setting(to)] = Origin{From: s.from, Sensitive: s.sensitive}
	}
}
