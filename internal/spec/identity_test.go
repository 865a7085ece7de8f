package spec

import (
	"strings"
	"testing"
)

func TestDefaultIdentityIsTheOneOfVolSync(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 49)
	for _, c := range []struct{ why, name, namespace, username, hostname string }{
		{"plain names are kept", "app", "prod", "app", "prod"},
		{"dots are dropped from the user", "my.app", "prod", "myapp", "prod"},
		{"separators are trimmed", "-_app_-", "-prod.", "app", "prod"},
		{"underscores become dashes in the host", "app", "a_b", "app", "a-b"},
		{"dots stay in the host", "app", "a.b", "app", "a.b"},
		{"foreign letters are dropped", "äpp", "prød", "pp", "prd"},
		{"the user is cut after trimming, not trimmed again", long + "-b", "p", long + "-", "p"},
		{"without a namespace the name serves", "my.app_1", "", "myapp_1", "my.app-1"},
		{"nothing left", "...", "___", "volsync-default", "volsync-default"},
	} {
		username, hostname := DefaultIdentity(c.name, c.namespace)
		if username != c.username || hostname != c.hostname {
			t.Errorf("%s: %q@%q, want %q@%q", c.why, username, hostname, c.username, c.hostname)
		}
	}
}

func TestIdentityTakesUsernameAndHostnameWordForWord(t *testing.T) {
	t.Parallel()
	empty, user, host := "", "My.User", "Host_1"
	source := func(u, h *string) *ReplicationSource {
		return &ReplicationSource{
			Metadata: Metadata{Name: "app", Namespace: "prod"},
			Spec:     ReplicationSourceSpec{Kopia: &KopiaSource{Username: u, Hostname: h}},
		}
	}
	for _, c := range []struct {
		why       string
		source    *ReplicationSource
		namespace string
		want      string
	}{
		{"both given", source(&user, &host), "dev", "My.User@Host_1"},
		{"one given", source(nil, &host), "dev", "app@Host_1"},
		{"empty counts as not given", source(&empty, &empty), "dev", "app@dev"},
		{"without a namespace the object's own", source(nil, nil), "", "app@prod"},
		{"without spec.kopia", &ReplicationSource{Metadata: Metadata{Name: "x"}}, "dev", "x@dev"},
	} {
		if u, h := c.source.Identity(c.namespace); u+"@"+h != c.want {
			t.Errorf("%s: %s@%s, want %s", c.why, u, h, c.want)
		}
	}
}

func TestFileNamesHaveDefaults(t *testing.T) {
	t.Parallel()
	if g, r := FileNames(nil); g != "global-policy.json" || r != "repository.config" {
		t.Errorf("defaults are %s and %s", g, r)
	}
	if g, r := FileNames(&PolicyConfig{GlobalPolicyFilename: "g", RepositoryConfigFilename: "r"}); g != "g" || r != "r" {
		t.Errorf("given names became %s and %s", g, r)
	}
}
