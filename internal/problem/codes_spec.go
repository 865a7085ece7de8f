package problem

// specCodes documents VK1xx: the shape and the fields of a manifest.
func specCodes() []Code {
	return []Code{}
}
