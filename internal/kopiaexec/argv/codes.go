package argv

// The findings of this package, as documented in the reference of findings.
const (
	codeForbidden     = "VK201"
	codeNotAFlag      = "VK202"
	codeUnknown       = "VK203"
	codeBadValue      = "VK204"
	codeTranslated    = "VK205"
	codeRepeated      = "VK206"
	codeRechunks      = "VK207"
	codeParallelTwice = "VK208"
	codeReservedTag   = "VK209"
	codeCaution       = "VK210"
	codeLeftOut       = "VK211"
)
