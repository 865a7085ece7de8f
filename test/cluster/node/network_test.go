package node

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The bridge keeps its hardware address, to which the pods send, whatever pods come and go. What asks the kernel about
// devices has the main thread wait for the answers, perhaps for good: this test comes after the one that looks for it.
func TestTheBridgeKeepsItsHardwareAddress(t *testing.T) {
	var before, after string
	failed := make(chan error)
	go onPrivateThread(func() {
		var err error
		before, after, err = joinedByALowerAddress(t.Name())
		failed <- err
	})
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if before != after {
		t.Errorf("with a pod the bridge is %s, and was %s", after, before)
	}
}

// joinedByALowerAddress makes the bridge in a network of this thread's own and has a device join it whose address
// is lower than any that is made up. It returns the bridge's address before and after.
func joinedByALowerAddress(owner string) (before, after string, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return "", "", err
	}
	if err := makeBridge(owner); err != nil {
		return "", "", err
	}
	made, err := netlink.LinkByName(bridge)
	if err != nil {
		return "", "", err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.HardwareAddr = "host", net.HardwareAddr{2, 0, 0, 0, 0, 1}
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "pod"}); err != nil {
		return "", "", err
	}
	host, err := netlink.LinkByName("host")
	if err != nil {
		return "", "", err
	}
	if err := netlink.LinkSetMaster(host, made); err != nil {
		return "", "", err
	}
	joined, err := netlink.LinkByName(bridge)
	if err != nil {
		return "", "", err
	}
	return made.Attrs().HardwareAddr.String(), joined.Attrs().HardwareAddr.String(), nil
}
