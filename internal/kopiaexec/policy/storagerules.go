package policy

import "github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"

// storageRules returns the grammar of a backend's configuration: what the Task
// carries to the mover, and, with a note each, what else kopia has there. Without
// it a misspelt bucket would be dropped, and the backup go to another place.
func storageRules(backend string) map[string]rule {
	const cert, keyFile = "set spec.kopia.customCA", "put the content into the Secret's "
	text, toggle := rule{kind: kindText}, rule{kind: kindBool}
	rules := map[string]map[string]rule{
		"filesystem": {"path": text, "fileMode": leftOut(""), "dirMode": leftOut(""), "uid": leftOut(""), "gid": leftOut("")},
		"s3": {
			"bucket": text, "prefix": text, "endpoint": text, "region": text, "doNotUseTLS": toggle, "doNotVerifyTLS": toggle,
			"roleARN": text, "roleRegion": text, "roleEndpoint": text,
			"rootCA": leftOut(cert), "sessionName": leftOut(""), "duration": leftOut(""), "pointInTime": leftOut(""),
		},
		"azureBlob": {
			"container": text, "prefix": text, "storageAccount": text, "storageDomain": text,
			"TenantID": leftOut(""), "ClientID": leftOut(""), "azureFederatedTokenFile": leftOut(""),
			"doNotUseTLS": leftOut(""), "pointInTime": leftOut(""),
		},
		"gcs": {
			"bucket": text, "prefix": text,
			"credentialsFile": leftOut(keyFile + "GOOGLE_APPLICATION_CREDENTIALS"), "readOnly": leftOut(""), "pointInTime": leftOut(""),
		},
		"b2": {"bucket": text, "prefix": text},
		"sftp": {
			"path": text, "host": text, "username": text, "port": {kind: kindInteger, min: 1, max: maxPort},
			"keyfile": leftOut(keyFile + "SFTP_KEY_FILE"), "knownHostsFile": leftOut(keyFile + "SFTP_KNOWN_HOSTS_DATA"),
			"knownHostsData": leftOut("put it into the Secret's SFTP_KNOWN_HOSTS_DATA"),
			"externalSSH":    leftOut(""), "sshCommand": leftOut(""), "sshArguments": leftOut(""),
		},
		"webdav": {
			"url": text, "username": leftOut("put it into the Secret's WEBDAV_USERNAME"),
			"trustedServerCertificateFingerprint": leftOut(cert), "atomicWrites": leftOut(""),
		},
		"rclone": {
			"remotePath": text, "rcloneExe": leftOut(""), "rcloneArgs": leftOut(""), "startupTimeout": leftOut(""), "debug": leftOut(""),
			"noWaitForTransfers": leftOut(""), "atomicWrites": leftOut(""),
		},
		"gdrive": {"folderID": text, "credentialsFile": leftOut(keyFile + "GOOGLE_DRIVE_CREDENTIALS"), "readOnly": leftOut("")},
	}[backend]
	for _, key := range []string{
		"readsPerSecond", "writesPerSecond", "listsPerSecond", "concurrentReads", "concurrentWrites", "dirShards", "listParallelism",
	} {
		rules[key] = leftOut("")
	}
	rules["maxUploadSpeedBytesPerSecond"] = leftOut("set uploadSpeed beside storage")
	rules["maxDownloadSpeedBytesPerSecond"] = leftOut("set downloadSpeed beside storage")
	return rules
}

const maxPort = 65535

// leftOut is a key of kopia's storage configuration that does not reach kopia.
func leftOut(fix string) rule {
	if fix == "" {
		fix = "remove the key"
	}
	return rule{kind: kindAny}.noted(codeManaged, problem.Warning, "is not passed on to kopia by this tool and is left out", fix)
}
