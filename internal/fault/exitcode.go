package fault

import "slices"

// ExitCode is a process exit status with a documented meaning.
type ExitCode int

// OK is the exit code of success, also of a run that was skipped for a
// stated, harmless reason.
const OK ExitCode = 0

// Exit is one row of the promise in docs/reference/exit-codes.md.
type Exit struct {
	Code    ExitCode
	Kind    Kind // empty for 0
	Meaning string
}

// Exits returns the documented exit codes, in numerical order.
func Exits() []Exit {
	return []Exit{
		{0, "", "done; also: skipped for a stated, harmless reason, or started with --detach"},
		{1, Failed, "failed for a reason without a code of its own, or the outcome is unknown"},
		{2, Usage, "the command line is wrong; nothing was done"},
		{3, Invalid, "the manifest is invalid; all problems are listed; nothing was done"},
		{4, Incomplete, "a snapshot exists, but files were missed or it was cut short"},
		{5, Refused, "a precondition does not hold; nothing was changed"},
		{6, TimedOut, "timed out"},
		{7, Repository, "the repository is not reachable, not initialised, read-only, full, or the password is wrong"},
		{8, Leftover, "done, but clean-up left something, which is listed"},
		{9, Difference, "a difference was found: verification, drill, schedule diff, or an overdue status"},
		{130, Interrupt, "cancelled by SIGINT; cleaned up, unless a second signal came: then what remains is named"},
		{143, Terminated, "cancelled by SIGTERM or SIGHUP; cleaned up, unless a second signal came: then what remains is named"},
	}
}

// ExitCode returns the exit code of the kind.
func (k Kind) ExitCode() ExitCode {
	for _, e := range Exits() {
		if e.Kind == k && k != "" {
			return e.Code
		}
	}
	return 1
}

// CodeOf returns 0 for nil and the code of err's kind otherwise.
func CodeOf(err error) ExitCode {
	if err == nil {
		return OK
	}
	return KindOf(err).ExitCode()
}

// WorstFirst returns all codes in the order in which that of several sources is
// chosen.
func WorstFirst() []ExitCode { return []ExitCode{3, 2, 143, 130, 1, 7, 6, 9, 4, 5, 8, 0} }

// Worst returns the code that stands for several verdicts; none gives OK.
func Worst(codes ...ExitCode) ExitCode {
	for _, c := range WorstFirst() {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return OK
}
