package problem

// argumentCodes documents VK2xx: additionalArgs.
func argumentCodes() []Code {
	return []Code{}
}
