package storage

import (
	"strconv"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// build makes the Location of one backend.
func build(backend Backend, want result.Storage, keys Keys) (Location, problem.List) {
	_, rest := splitURL(keys.text("KOPIA_REPOSITORY"))
	host, tail, _ := strings.Cut(rest, "/")
	if want.Type() != "" {
		host, tail = "", ""
	}
	loc := Location{Storage: want, credentials: map[string]secret.Value{}}
	switch backend {
	case Filesystem:
		return buildFilesystem(loc, keys)
	case S3:
		return buildS3(loc, keys, host, tail)
	case Azure:
		return buildAzure(loc, keys, host, tail), nil
	case GCS:
		return buildGCS(loc, keys, host, tail), nil
	case B2:
		return buildB2(loc, keys, host, tail), nil
	case WebDAV:
		return buildWebDAV(loc, keys, rest), nil
	case SFTP:
		return buildSFTP(loc, keys, host, tail), nil
	case Rclone:
		return buildRclone(loc, keys, rest), nil
	case GDrive:
		return buildGDrive(loc, keys, host), nil
	}
	return loc, nil
}

// credential copies the first key that has a value into a field.
func (l Location) credential(field string, keys Keys, names ...string) {
	if name, _ := keys.first(names...); name != "" {
		l.credentials[field] = secret.New([]byte(keys.text(name)))
	}
}

func fill(field *string, values ...string) {
	for _, v := range values {
		if *field == "" {
			*field = v
		}
	}
}

func buildFilesystem(loc Location, keys Keys) (Location, problem.List) {
	if loc.Storage.Filesystem != nil {
		return loc, nil
	}
	dir, bad := filesystemPath(keys)
	if bad != nil {
		return loc, problem.List{*bad}
	}
	loc.Storage.Filesystem = &result.FilesystemStorage{Path: dir}
	return loc, nil
}

func buildS3(loc Location, keys Keys, host, tail string) (Location, problem.List) {
	s := clone(loc.Storage.S3)
	loc.Storage.S3 = s
	fill(&s.Bucket, keys.text("KOPIA_S3_BUCKET"), host)
	fill(&s.Prefix, objectPrefix(tail))
	_, endpoint := keys.first("KOPIA_S3_ENDPOINT", "AWS_S3_ENDPOINT")
	fill(&s.Endpoint, endpoint, "s3.amazonaws.com")
	_, region := keys.first("AWS_REGION", "AWS_DEFAULT_REGION", "KOPIA_S3_REGION")
	fill(&s.Region, region)
	_, noTLS := keys.first("KOPIA_S3_DISABLE_TLS", "AWS_S3_DISABLE_TLS")
	s.DoNotUseTLS = s.DoNotUseTLS || noTLS == "true"
	var problems problem.List
	if scheme, bare := splitURL(s.Endpoint); scheme != "" {
		s.Endpoint = strings.TrimSuffix(bare, "/")
		if scheme == "http" && !s.DoNotUseTLS {
			s.DoNotUseTLS = true
			problems = append(problems, problem.Problem{
				Code: "VK408", Severity: problem.Info, Path: "KOPIA_S3_ENDPOINT",
				Message: "the endpoint starts with http://, so TLS is off",
			})
		}
	}
	loc.credential("accessKeyID", keys, "AWS_ACCESS_KEY_ID")
	loc.credential("secretAccessKey", keys, "AWS_SECRET_ACCESS_KEY")
	loc.credential("sessionToken", keys, "AWS_SESSION_TOKEN")
	return loc, problems
}

func buildAzure(loc Location, keys Keys, host, tail string) Location {
	s := clone(loc.Storage.Azure)
	loc.Storage.Azure = s
	fill(&s.Container, keys.text("KOPIA_AZURE_CONTAINER"), host)
	fill(&s.Prefix, objectPrefix(tail))
	_, account := keys.first("KOPIA_AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT", "AZURE_ACCOUNT_NAME")
	fill(&s.StorageAccount, account)
	if suffix := keys.text("AZURE_ENDPOINT_SUFFIX"); suffix != "" {
		fill(&s.StorageDomain, "blob."+suffix)
	}
	loc.credential("storageKey", keys, "KOPIA_AZURE_STORAGE_KEY", "AZURE_STORAGE_KEY", "AZURE_ACCOUNT_KEY")
	loc.credential("sasToken", keys, "AZURE_STORAGE_SAS_TOKEN", "AZURE_ACCOUNT_SAS")
	return loc
}

func buildGCS(loc Location, keys Keys, host, tail string) Location {
	s := clone(loc.Storage.GCS)
	loc.Storage.GCS = s
	_, bucket := keys.first("KOPIA_GCS_BUCKET", "GCS_BUCKET")
	fill(&s.Bucket, bucket, host)
	fill(&s.Prefix, objectPrefix(tail))
	loc.credential("credentials", keys, "GOOGLE_APPLICATION_CREDENTIALS")
	return loc
}

func buildB2(loc Location, keys Keys, host, tail string) Location {
	s := clone(loc.Storage.B2)
	loc.Storage.B2 = s
	fill(&s.Bucket, keys.text("KOPIA_B2_BUCKET"), host)
	fill(&s.Prefix, objectPrefix(tail))
	loc.credential("keyID", keys, "B2_ACCOUNT_ID")
	loc.credential("key", keys, "B2_APPLICATION_KEY")
	return loc
}

func buildWebDAV(loc Location, keys Keys, rest string) Location {
	s := clone(loc.Storage.WebDAV)
	loc.Storage.WebDAV = s
	fill(&s.URL, keys.text("WEBDAV_URL"))
	if s.URL == "" && rest != "" {
		s.URL = "https://" + rest
	}
	loc.credential("username", keys, "WEBDAV_USERNAME")
	loc.credential("password", keys, "WEBDAV_PASSWORD")
	return loc
}

func buildSFTP(loc Location, keys Keys, host, tail string) Location {
	s := clone(loc.Storage.SFTP)
	loc.Storage.SFTP = s
	if user, bare, ok := strings.Cut(host, "@"); ok {
		host = bare
		fill(&s.Username, keys.text("SFTP_USERNAME"), user)
	}
	port := keys.text("SFTP_PORT")
	if bare, p, ok := strings.Cut(host, ":"); ok {
		host = bare
		fill(&port, p)
	}
	fill(&s.Host, keys.text("SFTP_HOST"), host)
	fill(&s.Username, keys.text("SFTP_USERNAME"))
	fill(&s.Path, keys.text("SFTP_PATH"))
	if s.Path == "" && tail != "" {
		s.Path = "/" + tail
	}
	if s.Port == 0 {
		s.Port, _ = strconv.Atoi(port)
	}
	loc.credential("password", keys, "SFTP_PASSWORD")
	loc.credential("keyData", keys, "SFTP_KEY_FILE")
	loc.credential("knownHostsData", keys, "SFTP_KNOWN_HOSTS_DATA", "SFTP_KNOWN_HOSTS")
	return loc
}

func buildRclone(loc Location, keys Keys, rest string) Location {
	s := clone(loc.Storage.Rclone)
	loc.Storage.Rclone = s
	fill(&s.RemotePath, keys.text("RCLONE_REMOTE_PATH"), rest)
	loc.credential("embeddedConfig", keys, "RCLONE_CONFIG")
	return loc
}

func buildGDrive(loc Location, keys Keys, host string) Location {
	s := clone(loc.Storage.GDrive)
	loc.Storage.GDrive = s
	fill(&s.FolderID, keys.text("GOOGLE_DRIVE_FOLDER_ID"), host)
	loc.credential("credentials", keys, "GOOGLE_DRIVE_CREDENTIALS")
	return loc
}

// clone copies what the manifest says, or starts empty.
func clone[T any](given *T) *T {
	out := new(T)
	if given != nil {
		*out = *given
	}
	return out
}

// objectPrefix makes a prefix of an object store end in one slash, as kopia
// needs it, and collapses runs of slashes.
func objectPrefix(tail string) string {
	parts := strings.FieldsFunc(tail, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "/") + "/"
}
