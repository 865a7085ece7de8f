package result

// Storage says where a repository is, without any credential: a union in which
// at most one backend is set. With none set, the repository Secret alone says
// where the repository is; where both speak, the mover fills what is missing
// here from the Secret and refuses a contradiction.
//
// Field names follow kopia's own storage configuration.
type Storage struct {
	Filesystem *FilesystemStorage `json:"filesystem,omitempty"`
	S3         *S3Storage         `json:"s3,omitempty"`
	Azure      *AzureStorage      `json:"azureBlob,omitempty"`
	GCS        *GCSStorage        `json:"gcs,omitempty"`
	B2         *B2Storage         `json:"b2,omitempty"`
	SFTP       *SFTPStorage       `json:"sftp,omitempty"`
	WebDAV     *WebDAVStorage     `json:"webdav,omitempty"`
	Rclone     *RcloneStorage     `json:"rclone,omitempty"`
	GDrive     *GDriveStorage     `json:"gdrive,omitempty"`
}

// Type returns kopia's name of the backend that is set, or "".
func (s Storage) Type() string {
	switch {
	case s.Filesystem != nil:
		return "filesystem"
	case s.S3 != nil:
		return "s3"
	case s.Azure != nil:
		return "azureBlob"
	case s.GCS != nil:
		return "gcs"
	case s.B2 != nil:
		return "b2"
	case s.SFTP != nil:
		return "sftp"
	case s.WebDAV != nil:
		return "webdav"
	case s.Rclone != nil:
		return "rclone"
	case s.GDrive != nil:
		return "gdrive"
	}
	return ""
}

// Limits are bounds on the traffic with the storage, in bytes a second; 0: none.
type Limits struct{ UploadBytesPerSecond, DownloadBytesPerSecond int64 }

// FilesystemStorage is a directory of the mover's file system.
type FilesystemStorage struct {
	Path string `json:"path"`
	// MakeOnEmptyVolume lets the mover make Path when its parent is the root of
	// an empty volume (repositoryPVC: /kopia/repository below /kopia).
	MakeOnEmptyVolume bool `json:"makeOnEmptyVolume,omitempty"`
	// Named is true for a Path that policyConfig.repositoryConfig names, also one on a
	// claim: a Secret must not contradict it. Any other stands in for the Secret's: it
	// is the claim's own, or that of --repository-dir.
	Named bool `json:"named,omitempty"`
	// Mounted is true for the mount point of a claim, of a manifest that cannot say
	// where on it the repository is, as a KopiaMaintenance. A Secret may name a directory
	// below; without one it is Path itself or, as on a repositoryPVC, its directory
	// repository.
	Mounted bool `json:"mounted,omitempty"`
}

// S3Storage is an S3 bucket.
type S3Storage struct {
	Bucket       string `json:"bucket"`
	Prefix       string `json:"prefix,omitempty"`
	Endpoint     string `json:"endpoint,omitempty"`
	Region       string `json:"region,omitempty"`
	DoNotUseTLS  bool   `json:"doNotUseTLS,omitempty"`
	DoNotVerify  bool   `json:"doNotVerifyTLS,omitempty"`
	RoleARN      string `json:"roleARN,omitempty"`
	RoleRegion   string `json:"roleRegion,omitempty"`
	RoleEndpoint string `json:"roleEndpoint,omitempty"`
}

// AzureStorage is an Azure blob container.
type AzureStorage struct {
	Container      string `json:"container"`
	Prefix         string `json:"prefix,omitempty"`
	StorageAccount string `json:"storageAccount,omitempty"`
	StorageDomain  string `json:"storageDomain,omitempty"`
}

// GCSStorage is a Google Cloud Storage bucket.
type GCSStorage struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
}

// B2Storage is a Backblaze B2 bucket.
type B2Storage struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
}

// SFTPStorage is a directory on an SSH server.
type SFTPStorage struct {
	Path     string `json:"path"`
	Host     string `json:"host"`
	Port     int    `json:"port,omitempty"`
	Username string `json:"username,omitempty"`
}

// WebDAVStorage is a WebDAV collection.
type WebDAVStorage struct {
	URL string `json:"url"`
}

// RcloneStorage is an rclone remote path.
type RcloneStorage struct {
	RemotePath string `json:"remotePath"`
}

// GDriveStorage is a Google Drive folder.
type GDriveStorage struct {
	FolderID string `json:"folderID"`
}
