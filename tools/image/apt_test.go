package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURIs(t *testing.T) {
	t.Parallel()
	const text = `'http://archive.test/b/bash_5.2_amd64.deb' bash_5.2_amd64.deb 12 SHA256:ab
'http://archive.test/a/acl_1%3a2_amd64.deb' acl_1%3a2_amd64.deb 3 SHA256:cd
`
	got, err := parseURIs(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]candidate{"bash": {"bash_5.2_amd64.deb", "ab"}, "acl": {"acl_1%3a2_amd64.deb", "cd"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(candidate{})); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	for _, bad := range []string{
		"Reading package lists...\n",
		"'http://archive.test/a' ../a_1_amd64.deb 3 SHA256:cd\n",
		"'http://archive.test/a' a_1_amd64.deb 3 MD5Sum:cd\n",
	} {
		if got, err := parseURIs(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

// TestVerify: a package that is not what the archive has is not used.
func TestVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if err := (candidate{"f", digest}).verify(dir); err != nil {
		t.Error(err)
	}
	for _, bad := range []candidate{{"f", "0" + digest[1:]}, {"g", digest}} {
		if bad.verify(dir) == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
