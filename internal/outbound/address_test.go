package outbound_test

import (
	"net/netip"
	"testing"

	"bonded/internal/outbound"
)

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		addr string
		want outbound.Class
	}{
		{"192.31.196.1", outbound.Public},
		{"8.8.8.8", outbound.Public},
		{"2606:4700::1", outbound.Public},
		{"64:ff9b::808:808", outbound.Public},

		{"127.0.0.1", outbound.Private},
		{"127.255.255.254", outbound.Private},
		{"10.1.2.3", outbound.Private},
		{"172.31.0.1", outbound.Private},
		{"172.32.0.1", outbound.Public},
		{"192.168.0.1", outbound.Private},
		{"100.64.0.1", outbound.Private},
		{"100.127.255.255", outbound.Private},
		{"::1", outbound.Private},
		{"fd12::1", outbound.Private},

		// an IPv4 address in each IPv6 disguise
		{"::ffff:127.0.0.1", outbound.Private},
		{"::ffff:10.0.0.1", outbound.Private},
		{"::ffff:a9fe:a9fe", outbound.Reserved},
		{"64:ff9b::7f00:1", outbound.Private},
		{"64:ff9b::a9fe:a9fe", outbound.Reserved},
		{"2002:7f00:1::", outbound.Private},
		{"2002:a9fe:a9fe::1", outbound.Reserved},
		{"::127.0.0.1", outbound.Reserved},
		{"2001:0:1::1", outbound.Reserved}, // Teredo
		{"64:ff9b:1::1", outbound.Reserved},

		{"169.254.169.254", outbound.Reserved}, // the metadata service of most clouds
		{"100.100.100.200", outbound.Reserved},
		{"168.63.129.16", outbound.Reserved},
		{"fd00:ec2::254", outbound.Reserved},
		{"fe80::1%eth0", outbound.Reserved},
		{"0.0.0.0", outbound.Reserved},
		{"::", outbound.Reserved},
		{"224.0.0.1", outbound.Reserved},
		{"255.255.255.255", outbound.Reserved},
		{"198.51.100.1", outbound.Reserved},
		{"ff02::1", outbound.Reserved},
		{"2001:db8::1", outbound.Reserved},
	} {
		if got := outbound.Classify(netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("%s is %v, want %v", tc.addr, got, tc.want)
		}
	}
}

// An address means the same network however it is written.
func FuzzClassifyMapped(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 4 {
			return
		}
		v4 := netip.AddrFrom4([4]byte(b))
		want := outbound.Classify(v4)
		for _, prefix := range []string{"::ffff:0:0", "64:ff9b::"} {
			raw := netip.MustParseAddr(prefix).As16()
			copy(raw[12:], b)
			if got := outbound.Classify(netip.AddrFrom16(raw)); got != want {
				t.Errorf("%s is %v, its form %s is %v", v4, want, netip.AddrFrom16(raw), got)
			}
		}
	})
}
