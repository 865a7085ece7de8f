package problem

// repositoryCodes documents VK4xx: the repository and its Secret.
func repositoryCodes() []Code {
	return []Code{}
}
