package config

import (
	"net"
	"net/netip"
	"strings"
)

// checkAddresses finds addresses that can't be listened on together. The
// system would find them too, but only at a start and one at a time.
func (d *draft) checkAddresses(to *decoder) {
	for i, l := range d.listens {
		if l.at.bad["address"] {
			continue
		}
		for _, before := range d.listens[:i] {
			if sameAddress(l.value.Address, before.value.Address) && !before.at.bad["address"] {
				to.report(l.at.position("address"), "", "address in %s: %s is taken by %s, which has %s",
					l.at.title, l.value.Address, before.at.title, before.value.Address)
				break
			}
		}
	}
	d.checkAdminAddress(to)
}

// checkAdminAddress holds admin's address against those of the listeners. It
// tells of the first that has it: admin is to be moved once, however many there
// are.
func (d *draft) checkAdminAddress(to *decoder) {
	admin := d.cfg.Admin.Address
	for _, l := range d.listens {
		if d.admin.bad["address"] || l.at.bad["address"] || !sameAddress(l.value.Address, admin) {
			continue
		}
		if at, given := d.admin.at["address"]; given {
			// What somebody wrote is what they can mend.
			to.report(at, "", "address in admin: %s is taken by %s, which has %s", admin, l.at.title, l.value.Address)
		} else {
			to.report(l.at.position("address"), "move one of them: admin { address = \"…\" }",
				"address in %s: %s is taken by admin, which has %s by default", l.at.title, l.value.Address, admin)
		}
		return
	}
}

// checkLoops finds backends that are rota itself. A request to one would come
// back as another request, and that again, until nothing is left to do it with.
func (d *draft) checkLoops(to *decoder) {
	listeners := make([]*placed[string], 0, len(d.listens)+1)
	for _, l := range d.listens {
		listeners = append(listeners, &placed[string]{l.value.Address, l.at})
	}
	listeners = append(listeners, &placed[string]{d.cfg.Admin.Address, d.admin})
	for _, s := range d.statics {
		for i, at := range s.at.each["urls"] {
			for _, l := range listeners {
				if l.at.bad["address"] || !reaches(s.value.URLs[i], l.value) {
					continue
				}
				title := l.at.title
				if l.at == d.admin {
					title = "admin"
				}
				to.report(at, "name the port of the backend, or move "+title,
					"urls%s: %s is rota itself: %s listens on %s", s.at.of(), s.value.URLs[i], title, l.value)
				break
			}
		}
	}
}

// reaches reports whether connections to an address, made on this machine, end
// up at a listener. It takes a host's name for another machine's.
func reaches(address, listener string) bool {
	host, port, errA := net.SplitHostPort(address)
	listenHost, listenPort, errB := net.SplitHostPort(listener)
	if errA != nil || errB != nil || port != listenPort { // off, or wrong and reported
		return false
	}
	switch {
	case host == strings.ToLower(listenHost):
		return true
	case !thisMachine(host):
		return false
	case everyInterface(listenHost):
		return true
	default:
		// 127.0.0.1 is not 127.0.0.2, but localhost may be any of them.
		vague := host == "localhost" || listenHost == "localhost" || everyInterface(host)
		return vague && thisMachine(listenHost)
	}
}

// thisMachine reports whether a host stands for the machine that it is used
// on. To connect to the address of every interface is to connect to it, too.
func thisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// sameAddress reports whether only one of two listeners could have its
// address. A host that means every interface takes the port on all of them.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil { // off, or wrong and reported
		return false
	}
	return portA == portB && portA != "0" && (hostA == hostB || everyInterface(hostA) || everyInterface(hostB))
}

// everyInterface reports whether the host of an address stands for all of the
// machine's.
func everyInterface(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
