package storage

import (
	"path"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// builder makes the Location of one backend: it fills what the manifest leaves
// open from the Secret, and notes where the two disagree and what is missing.
type builder struct {
	backend Backend
	because string // the key that chose the backend, or the manifest
	keys    Keys
	// rest is what follows the scheme in a KOPIA_REPOSITORY of this backend; host
	// and tail are its parts around the first slash.
	rest, host, tail string
	loc              Location
	problems         problem.List
}

func build(backend Backend, because string, want result.Storage, keys Keys) (Location, problem.List) {
	b := &builder{
		backend: backend, because: because, keys: keys,
		loc: Location{Storage: want, credentials: map[string]secret.Value{}},
	}
	if scheme, rest := splitURL(keys.text(repositoryKey)); scheme == schemeOf(backend) {
		b.rest = rest
		b.host, b.tail, _ = strings.Cut(rest, "/")
	}
	switch backend {
	case Filesystem:
		b.filesystem()
	case S3:
		b.s3()
	case Azure:
		b.azure()
	case GCS:
		b.gcs()
	case B2:
		b.b2()
	case WebDAV:
		b.webDAV()
	case SFTP:
		b.sftp()
	case Rclone:
		b.rclone()
	case GDrive:
		b.gdrive()
	}
	for _, c := range credentials()[backend] {
		b.credential(c)
	}
	return b.loc, b.problems
}

func (b *builder) filesystem() {
	if given := b.loc.Storage.Filesystem; given != nil && given.Path != "" {
		if dir, bad := filesystemPath(b.rest); given.Mounted && bad == nil && strings.HasPrefix(dir, path.Clean(given.Path)+"/") {
			b.loc.Storage.Filesystem = &result.FilesystemStorage{Path: dir}
			return
		}
		if given.Named && b.rest != "" && path.Clean(b.rest) != path.Clean(given.Path) {
			b.disagree(repositoryKey, given.Path, b.rest)
		}
		return
	}
	if b.need(b.rest, repositoryKey) {
		return
	}
	dir, bad := filesystemPath(b.rest)
	if bad != nil {
		b.problems = append(b.problems, *bad)
		return
	}
	b.loc.Storage.Filesystem = &result.FilesystemStorage{Path: dir}
}

func (b *builder) s3() {
	s := clone(b.loc.Storage.S3)
	b.loc.Storage.S3 = s
	b.place(&s.Bucket, b.host, "KOPIA_S3_BUCKET")
	b.prefix(&s.Prefix)
	b.need(s.Bucket, "KOPIA_S3_BUCKET")
	b.endpoint(s)
	_, region := b.keys.first("AWS_REGION", "AWS_DEFAULT_REGION", "KOPIA_S3_REGION")
	fill(&s.Region, region)
}

// endpoint is the S3 server, and whether it is spoken to in clear text.
func (b *builder) endpoint(s *result.S3Storage) {
	name, given := b.keys.first("KOPIA_S3_ENDPOINT", "AWS_S3_ENDPOINT")
	if given != "" && s.Endpoint != "" && bareHost(given) != bareHost(s.Endpoint) {
		b.disagree(name, s.Endpoint, given)
	}
	fill(&s.Endpoint, given, "s3.amazonaws.com")
	switch key, value := b.keys.first("KOPIA_S3_DISABLE_TLS", "AWS_S3_DISABLE_TLS"); value {
	case "", "false":
	case "true":
		s.DoNotUseTLS = true
	default:
		b.unusable(key, "it is neither true nor false", "write true to talk to the server without TLS, or remove the key")
	}
	if scheme, _ := splitURL(s.Endpoint); scheme == "http" && !s.DoNotUseTLS {
		s.DoNotUseTLS = true
		if name == "" {
			name = "KOPIA_S3_ENDPOINT" // the manifest's own
		}
		b.problems = append(b.problems, problem.Problem{
			Code: "VK408", Severity: problem.Info, Path: name, Message: "the endpoint starts with http://, so TLS is off",
		})
	}
	s.Endpoint = bareHost(s.Endpoint)
}

// bareHost is an endpoint as kopia takes it, without a scheme.
func bareHost(endpoint string) string {
	_, bare := splitURL(endpoint)
	return strings.TrimSuffix(bare, "/")
}

func (b *builder) azure() {
	s := clone(b.loc.Storage.Azure)
	b.loc.Storage.Azure = s
	b.place(&s.Container, b.host, "KOPIA_AZURE_CONTAINER")
	b.prefix(&s.Prefix)
	account := []string{"KOPIA_AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT", "AZURE_ACCOUNT_NAME"}
	b.place(&s.StorageAccount, "", account...)
	b.need(s.Container, "KOPIA_AZURE_CONTAINER")
	b.need(s.StorageAccount, account...)
	if suffix := b.keys.text("AZURE_ENDPOINT_SUFFIX"); suffix != "" {
		fill(&s.StorageDomain, "blob."+suffix)
	}
}

func (b *builder) gcs() {
	s := clone(b.loc.Storage.GCS)
	b.loc.Storage.GCS = s
	b.place(&s.Bucket, b.host, "KOPIA_GCS_BUCKET", "GCS_BUCKET")
	b.prefix(&s.Prefix)
	b.need(s.Bucket, "KOPIA_GCS_BUCKET", "GCS_BUCKET")
}

func (b *builder) b2() {
	s := clone(b.loc.Storage.B2)
	b.loc.Storage.B2 = s
	b.place(&s.Bucket, b.host, "KOPIA_B2_BUCKET")
	b.prefix(&s.Prefix)
	b.need(s.Bucket, "KOPIA_B2_BUCKET")
	b.needKey("B2_ACCOUNT_ID")
	b.needKey("B2_APPLICATION_KEY")
}

func (b *builder) webDAV() {
	s := clone(b.loc.Storage.WebDAV)
	b.loc.Storage.WebDAV = s
	url := ""
	if b.rest != "" {
		url = "https://" + b.rest
	}
	b.place(&s.URL, url, "WEBDAV_URL")
	b.need(s.URL, "WEBDAV_URL")
}

func (b *builder) sftp() {
	s := clone(b.loc.Storage.SFTP)
	b.loc.Storage.SFTP = s
	user, host, found := strings.Cut(b.host, "@")
	if !found {
		user, host = "", b.host
	}
	host, port := splitPort(host)
	dir := ""
	if b.tail != "" {
		dir = "/" + b.tail
	}
	b.place(&s.Host, host, "SFTP_HOST")
	b.place(&s.Username, user, "SFTP_USERNAME")
	b.place(&s.Path, dir, "SFTP_PATH")
	b.port(&s.Port, port)
	b.need(s.Host, "SFTP_HOST")
	b.need(s.Username, "SFTP_USERNAME")
	b.need(s.Path, "SFTP_PATH")
	b.needKey("SFTP_PASSWORD", "SFTP_KEY_FILE")
	b.needKey("SFTP_KNOWN_HOSTS", "SFTP_KNOWN_HOSTS_DATA")
}

func (b *builder) rclone() {
	s := clone(b.loc.Storage.Rclone)
	b.loc.Storage.Rclone = s
	b.place(&s.RemotePath, b.rest, "RCLONE_REMOTE_PATH")
	b.need(s.RemotePath, "RCLONE_REMOTE_PATH")
}

func (b *builder) gdrive() {
	s := clone(b.loc.Storage.GDrive)
	b.loc.Storage.GDrive = s
	b.place(&s.FolderID, b.host, "GOOGLE_DRIVE_FOLDER_ID")
	b.need(s.FolderID, "GOOGLE_DRIVE_FOLDER_ID")
	b.needKey("GOOGLE_DRIVE_CREDENTIALS")
}

// clone copies what the manifest says, or starts empty.
func clone[T any](given *T) *T {
	out := new(T)
	if given != nil {
		*out = *given
	}
	return out
}
