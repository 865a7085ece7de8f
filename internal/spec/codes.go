package spec

// The codes of this package's findings; each is documented in package problem.
const (
	codeSyntax        = "VK101"
	codeEmpty         = "VK102"
	codeNothing       = "VK103"
	codeLimit         = "VK104"
	codeIncomplete    = "VK105"
	codeUnknownKind   = "VK106"
	codeIgnored       = "VK107"
	codeUnknownField  = "VK108"
	codeWrongType     = "VK109"
	codeDuplicateKey  = "VK110"
	codeMisplaced     = "VK111"
	codeRemoved       = "VK112"
	codeOtherMover    = "VK113"
	codeQuantity      = "VK114"
	codeTimestamp     = "VK115"
	codeName          = "VK116"
	codeDeprecated    = "VK117"
	codeBase64        = "VK118"
	codeDataKey       = "VK119"
	codeVariableUnset = "VK120"
	codeSubstitution  = "VK121"
	codeDefinedTwice  = "VK122"
)
