package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// ports are where the daemons listen on 127.0.0.1.
type ports struct {
	EtcdClient, EtcdPeer, APIServer, Kubelet int
}

// freePorts picks ports below those that the kernel hands out by itself, so that nothing takes one between the choice
// and the daemon's start, except by the same lot.
func freePorts() (ports, error) {
	const low, high = 20000, 32000
	var free [4]int
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for i := range free {
		for try := 0; free[i] == 0; try++ {
			port := low + rand.IntN(high-low)
			l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				listeners = append(listeners, l)
				free[i] = port
			} else if try == 100 {
				return ports{}, errors.Join(errors.New("no free port"), err)
			}
		}
	}
	return ports{EtcdClient: free[0], EtcdPeer: free[1], APIServer: free[2], Kubelet: free[3]}, nil
}
