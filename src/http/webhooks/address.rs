//! Which addresses a stranger may have us connect to: those of the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of version 4 that are not global unicast, and one service address of a cloud that looks as if it were.
/// After IANA's registry of special-purpose addresses.
const NOT_GLOBAL_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Parts of 2000::/3, the global unicast addresses of version 6, that are for something else: protocol assignments
/// with Teredo, benchmarks and ORCHID; documentation; 6to4, which may wrap any address of version 4.
const NOT_GLOBAL_V6: [([u16; 2], u32); 4] =
    [([0x2001, 0], 23), ([0x2001, 0x0db8], 32), ([0x2002, 0], 16), ([0x3fff, 0], 20)];

/// Whether an address is global unicast. Loopback, private, link-local, shared, mapped, translated, tunnelled,
/// multicast, reserved and documentation addresses are not, nor those of cloud metadata services.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let within = |(network, length): &([u8; 4], u32)| (bits ^ u32::from_be_bytes(*network)) >> (32 - length) == 0;
    !NOT_GLOBAL_V4.iter().any(within)
}

/// Everything outside of 2000::/3 is refused with it: loopback, mapped and translated addresses of version 4, unique
/// local, link-local and multicast ones.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let within = |([first, second], length): &([u16; 2], u32)| {
        let network = (u128::from(*first) << 112) | (u128::from(*second) << 96);
        (bits ^ network) >> (128 - length) == 0
    };
    within(&([0x2000, 0], 3)) && !NOT_GLOBAL_V6.iter().any(within)
}
