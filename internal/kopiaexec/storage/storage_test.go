package storage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// keys makes a Secret of "NAME=value" words.
func keys(pairs ...string) storage.Keys {
	k := storage.Keys{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		k[name] = secret.New([]byte(value))
	}
	return k
}

// Every backend's kopia configuration, from the keys that the documentation
// page and upstream name.
func TestResolveGivesKopiasConfiguration(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		keys storage.Keys
		want string
	}{
		"filesystem": {keys("KOPIA_REPOSITORY=filesystem:///kopia/repository/\n"), `{"type":"filesystem","config":{"path":"/kopia/repository"}}`},
		"s3 by keys": {
			keys("KOPIA_S3_BUCKET=b", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key", "AWS_REGION=eu-1", "KOPIA_S3_ENDPOINT=http://minio:9000"),
			`{"type":"s3","config":{"bucket":"b","endpoint":"minio:9000","region":"eu-1","doNotUseTLS":true,"accessKeyID":"id","secretAccessKey":"key"}}`,
		},
		"s3 by URL with a prefix": {
			keys("KOPIA_REPOSITORY=s3://b/a//b", "AWS_S3_ENDPOINT=https://s3.example.com/", "AWS_SESSION_TOKEN=t"),
			`{"type":"s3","config":{"bucket":"b","prefix":"a/b/","endpoint":"s3.example.com","sessionToken":"t"}}`,
		},
		"the bucket key beats the URL's": {
			keys("KOPIA_REPOSITORY=s3://b/p", "KOPIA_S3_BUCKET=other"),
			`{"type":"s3","config":{"bucket":"other","prefix":"p/","endpoint":"s3.amazonaws.com"}}`,
		},
		"azure": {
			keys("KOPIA_REPOSITORY=azure://c/p", "AZURE_ACCOUNT_NAME=a", "AZURE_ACCOUNT_KEY=k", "AZURE_ENDPOINT_SUFFIX=core.windows.net"),
			`{"type":"azureBlob","config":{"container":"c","prefix":"p/","storageAccount":"a","storageDomain":"blob.core.windows.net","storageKey":"k"}}`,
		},
		"gcs": {
			keys("KOPIA_REPOSITORY=gcs://b", `GOOGLE_APPLICATION_CREDENTIALS={"type":"service_account"}`),
			`{"type":"gcs","config":{"bucket":"b","credentials":{"type":"service_account"}}}`,
		},
		"gcs without credentials is workload identity": {keys("GCS_BUCKET=b"), `{"type":"gcs","config":{"bucket":"b"}}`},
		"b2":     {keys("KOPIA_B2_BUCKET=b", "B2_ACCOUNT_ID=i", "B2_APPLICATION_KEY=k"), `{"type":"b2","config":{"bucket":"b","keyID":"i","key":"k"}}`},
		"webdav": {keys("KOPIA_REPOSITORY=webdav://dav.example.com/x", "WEBDAV_PASSWORD=p"), `{"type":"webdav","config":{"url":"https://dav.example.com/x","password":"p"}}`},
		"sftp": {
			keys("KOPIA_REPOSITORY=sftp://u@h:2222/backups", "SFTP_KEY_FILE=PEM", "SFTP_KNOWN_HOSTS_DATA=h ssh-rsa A"),
			`{"type":"sftp","config":{"path":"/backups","host":"h","port":2222,"username":"u","keyData":"PEM","knownHostsData":"h ssh-rsa A"}}`,
		},
		"sftp to an IPv6 address": {
			keys("KOPIA_REPOSITORY=sftp://u@[fe80::1]:2222/b", "SFTP_PASSWORD=p", "SFTP_KNOWN_HOSTS_DATA=h"),
			`{"type":"sftp","config":{"path":"/b","host":"fe80::1","port":2222,"username":"u","password":"p","knownHostsData":"h"}}`,
		},
		"a URL of another kind gives no prefix": {
			keys("KOPIA_S3_BUCKET=b", "KOPIA_REPOSITORY=filesystem:///kopia/repository"),
			`{"type":"s3","config":{"bucket":"b","endpoint":"s3.amazonaws.com"}}`,
		},
		"rclone": {keys("RCLONE_REMOTE_PATH=r:x", "RCLONE_CONFIG=[r]"), `{"type":"rclone","config":{"remotePath":"r:x","embeddedConfig":"[r]"}}`},
		"gdrive": {keys("KOPIA_REPOSITORY=gdrive://folder", "GOOGLE_DRIVE_CREDENTIALS={}"), `{"type":"gdrive","config":{"folderID":"folder","credentials":{}}}`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.keys["KOPIA_PASSWORD"] = secret.New([]byte("pw"))
			loc, problems := storage.Resolve(result.Storage{}, row.keys)
			if problems.HasErrors() {
				t.Fatalf("problems: %+v", problems)
			}
			config, err := loc.Config(result.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, []byte(row.want)), decode(t, config.Reveal())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

func TestResolveNamesEveryProblem(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		want  result.Storage
		keys  storage.Keys
		codes []string
	}{
		"an empty Secret":             {result.Storage{}, keys(), []string{"VK402 KOPIA_PASSWORD", "VK401 KOPIA_REPOSITORY"}},
		"a scheme that is none":       {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=ftp://x"), []string{"VK404 KOPIA_REPOSITORY"}},
		"a path without a scheme":     {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=/kopia"), []string{"VK404 KOPIA_REPOSITORY"}},
		"a relative directory":        {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem://kopia"), []string{"VK404 KOPIA_REPOSITORY"}},
		"a directory that leads up":   {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///kopia/../etc"), []string{"VK404 KOPIA_REPOSITORY"}},
		"the root":                    {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///"), []string{"VK404 KOPIA_REPOSITORY"}},
		"missing keys":                {result.Storage{}, keys("KOPIA_PASSWORD=p", "SFTP_HOST=h", "SFTP_PATH=/p"), []string{"VK403 SFTP_USERNAME", "VK403 SFTP_PASSWORD or SFTP_KEY_FILE", "VK403 SFTP_KNOWN_HOSTS or SFTP_KNOWN_HOSTS_DATA"}},
		"two backends":                {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_GCS_BUCKET=b", "KOPIA_REPOSITORY=filesystem:///k"), []string{"VK406 KOPIA_GCS_BUCKET"}},
		"a command for a password":    {result.Storage{}, keys("KOPIA_PASSWORD=$(openssl rand -base64 32)", "KOPIA_REPOSITORY=filesystem:///k"), []string{"VK407 KOPIA_PASSWORD"}},
		"manifest and Secret differ":  {result.Storage{Filesystem: &result.FilesystemStorage{Path: "/k"}}, keys("KOPIA_PASSWORD=p", "KOPIA_S3_BUCKET=b"), []string{"VK405 KOPIA_S3_BUCKET"}},
		"a URL without a bucket":      {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=s3:///prefix"), []string{"VK403 KOPIA_S3_BUCKET"}},
		"a URL with a host only":      {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=sftp://h", "SFTP_PASSWORD=p", "SFTP_KNOWN_HOSTS_DATA=h"), []string{"VK403 SFTP_USERNAME", "VK403 SFTP_PATH"}},
		"a port that is no number":    {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=sftp://u@h/p", "SFTP_PORT=ssh", "SFTP_PASSWORD=p", "SFTP_KNOWN_HOSTS_DATA=h"), []string{"VK410 SFTP_PORT"}},
		"a port out of bounds":        {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=sftp://u@h:99999/p", "SFTP_PASSWORD=p", "SFTP_KNOWN_HOSTS_DATA=h"), []string{"VK410 KOPIA_REPOSITORY"}},
		"a path for a key file":       {result.Storage{}, keys("KOPIA_PASSWORD=p", "GCS_BUCKET=b", "GOOGLE_APPLICATION_CREDENTIALS=/gcs.json"), []string{"VK410 GOOGLE_APPLICATION_CREDENTIALS"}},
		"a list for a key file":       {result.Storage{}, keys("KOPIA_PASSWORD=p", "GOOGLE_DRIVE_FOLDER_ID=f", "GOOGLE_DRIVE_CREDENTIALS=[]"), []string{"VK410 GOOGLE_DRIVE_CREDENTIALS"}},
		"a word for a switch":         {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_S3_BUCKET=b", "AWS_S3_DISABLE_TLS=yes"), []string{"VK410 AWS_S3_DISABLE_TLS"}},
		"TLS off by the endpoint":     {result.Storage{}, keys("KOPIA_PASSWORD=p", "KOPIA_S3_BUCKET=b", "AWS_S3_ENDPOINT=http://m"), []string{"VK408 AWS_S3_ENDPOINT"}},
		"two buckets":                 {s3("b", ""), keys("KOPIA_PASSWORD=p", "KOPIA_S3_BUCKET=c"), []string{"VK405 KOPIA_S3_BUCKET"}},
		"two prefixes":                {s3("b", "p/"), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=s3://b/q"), []string{"VK405 KOPIA_REPOSITORY"}},
		"the same place twice":        {s3("b", "p"), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=s3://b/p/"), nil},
		"a bucket from the Secret":    {s3("", ""), keys("KOPIA_PASSWORD=p", "KOPIA_S3_BUCKET=b"), nil},
		"no bucket anywhere":          {s3("", "p/"), keys("KOPIA_PASSWORD=p"), []string{"VK403 KOPIA_S3_BUCKET"}},
		"a directory from the Secret": {result.Storage{Filesystem: &result.FilesystemStorage{}}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///k"), nil},
		"no directory anywhere":       {result.Storage{Filesystem: &result.FilesystemStorage{}}, keys("KOPIA_PASSWORD=p"), []string{"VK403 KOPIA_REPOSITORY"}},
		"the manifest alone":          {result.Storage{Filesystem: &result.FilesystemStorage{Path: "/k"}}, keys("KOPIA_PASSWORD=p"), nil},
		"a directory that stands in":  {result.Storage{Filesystem: &result.FilesystemStorage{Path: "/k"}}, keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///other"), nil},
		"two directories":             {inline("/k"), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///other"), []string{"VK405 KOPIA_REPOSITORY"}},
		"a directory below the other": {inline("/k"), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///k/x"), []string{"VK405 KOPIA_REPOSITORY"}},
		"the same directory twice":    {inline("/k"), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=filesystem:///k/"), nil},
		"an inline directory alone":   {inline("/k"), keys("KOPIA_PASSWORD=p"), nil},
	}
	for name, row := range rows {
		_, problems := storage.Resolve(row.want, row.keys)
		var codes []string
		for _, p := range problems {
			codes = append(codes, p.Code+" "+p.Path)
			if _, documented := problem.Lookup(p.Code); !documented {
				t.Errorf("%s is not documented", p.Code)
			}
		}
		if diff := cmp.Diff(row.codes, codes); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// inline is the directory that policyConfig.repositoryConfig names.
func inline(dir string) result.Storage {
	return result.Storage{Filesystem: &result.FilesystemStorage{Path: dir, Named: true}}
}

func s3(bucket, prefix string) result.Storage {
	return result.Storage{S3: &result.S3Storage{Bucket: bucket, Prefix: prefix}}
}

// Of a claim whose manifest cannot say where on it the repository is, the Secret may
// name a directory; one elsewhere says nothing about the claim.
func TestTheSecretNamesADirectoryOfAMountedClaim(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"": "/mnt/repo", "filesystem:///mnt/repo/": "/mnt/repo", "filesystem:///mnt/repo/deep//down": "/mnt/repo/deep/down",
		"filesystem:///mnt/repository": "/mnt/repo", "filesystem:///mnt/repo/../other": "/mnt/repo", "filesystem:///kopia/repository": "/mnt/repo",
	} {
		given := []string{"KOPIA_PASSWORD=p"}
		if url != "" {
			given = append(given, "KOPIA_REPOSITORY="+url)
		}
		loc, problems := storage.Resolve(result.Storage{Filesystem: &result.FilesystemStorage{Path: "/mnt/repo", Mounted: true}}, keys(given...))
		if dir := loc.Storage.Filesystem; dir == nil || dir.Path != want || problems != nil {
			t.Errorf("%q: %+v, want %s; %v", url, dir, want, problems)
		}
	}
}

// What the manifest leaves open is the Secret's to say.
func TestTheSecretFillsInThePlace(t *testing.T) {
	t.Parallel()
	loc, problems := storage.Resolve(s3("b", ""), keys("KOPIA_PASSWORD=p", "KOPIA_REPOSITORY=s3://b/deep//down", "KOPIA_S3_ENDPOINT=minio:9000", "AWS_REGION=eu"))
	want := s3("b", "deep/down/")
	want.S3.Endpoint, want.S3.Region = "minio:9000", "eu"
	if diff := cmp.Diff(want, loc.Storage); diff != "" || problems != nil {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
}

func TestKeyIsThePlaceWithoutCredentials(t *testing.T) {
	t.Parallel()
	key := func(pairs ...string) string {
		loc, _ := storage.Resolve(result.Storage{}, keys(append(pairs, "KOPIA_PASSWORD=p")...))
		k, err := loc.Key()
		if err != nil || len(k) != 20 {
			t.Fatalf("%q, %v", k, err)
		}
		return k
	}
	base := key("KOPIA_REPOSITORY=s3://b/p", "AWS_SECRET_ACCESS_KEY=one")
	if got := key("KOPIA_REPOSITORY=s3://b/p", "AWS_SECRET_ACCESS_KEY=two"); got != base {
		t.Error("a rotated key moves the cache")
	}
	for _, other := range []string{"s3://b/q", "s3://c/p", "gcs://b/p"} {
		if key("KOPIA_REPOSITORY="+other) == base {
			t.Errorf("%s shares a cache with s3://b/p", other)
		}
	}
}

func TestLimitsStandInTheConfiguration(t *testing.T) {
	t.Parallel()
	loc, _ := storage.Resolve(result.Storage{Filesystem: &result.FilesystemStorage{Path: "/k", MakeOnEmptyVolume: true, Named: true}}, keys("KOPIA_PASSWORD=p"))
	config, err := loc.Config(result.Limits{UploadBytesPerSecond: 5, DownloadBytesPerSecond: 6})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"config":{"maxDownloadSpeedBytesPerSecond":6,"maxUploadSpeedBytesPerSecond":5,"path":"/k"},"type":"filesystem"}`
	if got := string(config.Reveal()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingPrintsACredential(t *testing.T) {
	t.Parallel()
	k := keys("KOPIA_PASSWORD=canary", "KOPIA_S3_BUCKET=b", "AWS_SECRET_ACCESS_KEY=canary")
	loc, problems := storage.Resolve(result.Storage{}, k)
	config, err := loc.Config(result.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %v %v", k, loc, loc, problems, config); strings.Contains(text, "canary") {
		t.Errorf("printed: %s", text)
	}
}
