package problem

// policyCodes documents VK3xx: policies and repository configuration.
func policyCodes() []Code {
	return []Code{}
}
