package problem

// hookCodes documents findings about the commands that run in the application.
func hookCodes() []Code {
	return []Code{
		{
			"VK191", "Application hooks incomplete", Error,
			"The annotations volsync-kopia/exec-before and exec-after are commands that run in the application; exec-in says where, as pod/NAME or deploy/NAME with :CONTAINER, and exec-timeout bounds each of them.",
			"metadata:\n  annotations:\n    volsync-kopia/exec-before: psql -c CHECKPOINT", "Give exec-in together with exec-before, exec-after or both.",
		},
		{
			"VK540", "After hook with nobody to run it", Error,
			"With copyMethod Direct the volume itself is read, so that the after hook is due when the mover has ended. A command that detaches is gone by then, and the application would stay as the before hook has left it.",
			"# backup --detach\nspec:\n  kopia:\n    copyMethod: Direct", "Leave --detach out, or use copyMethod Snapshot or Clone.",
		},
		{
			"VK541", "Application hooks are not run locally", Warning,
			"A local run reads a directory of this machine and speaks to no cluster, so that the hooks that the annotations name are not run.",
			"metadata:\n  annotations:\n    volsync-kopia/exec-in: pod/postgres-0\n    volsync-kopia/exec-before: psql -c CHECKPOINT", "Put the application at rest yourself, if the directory is its own.",
		},
		{
			"VK542", "After hook failed or late", Warning,
			"The command that runs in the application after the copy has failed, ran longer than its limit, found its pod gone or out of reach, or was run late because the command of the run had died. The snapshot is not affected; the application may be, or may long have been, as the before hook has left it.",
			"metadata:\n  annotations:\n    volsync-kopia/exec-after: \"false\"", "See its output in the log, and put the application right.",
		},
	}
}
