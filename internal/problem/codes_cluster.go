package problem

// clusterCodes documents VK5xx: the cluster.
func clusterCodes() []Code {
	return []Code{}
}
