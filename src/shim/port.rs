//! Why a port could not be published, in words.

/// First port that everybody may have (ip(7)).
const FIRST: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// `object`: as the supervisor names it, `port 127.0.0.1:80/tcp`.
pub(super) fn reason(object: &str, errno: i32) -> String {
    match errno {
        libc::EADDRINUSE => {
            "it is in use on this host; publish another one ('ss -lntup' lists who has which)".into()
        }
        libc::EACCES => {
            let first = std::fs::read_to_string(FIRST).ok().and_then(|text| text.trim().parse().ok());
            privileged(object, first)
        }
        libc::EADDRNOTAVAIL => "this host has no such address".into(),
        libc::EAFNOSUPPORT => "this host has no IPv6".into(),
        libc::EPROTO => {
            "the program that carries the container's network has not opened it; many ports need as many open files ('ulimit -n')".into()
        }
        _ => super::plain(errno),
    }
}

fn privileged(object: &str, first: Option<u16>) -> String {
    let number = object.rsplit(['/', ' ', ':']).find_map(|word| word.parse::<u16>().ok());
    match (number, first) {
        (Some(number), Some(first)) => format!(
            "ports below {first} are root's on this host; publish one from {first} on, or let everybody have them from {number} on: sudo sysctl net.ipv4.ip_unprivileged_port_start={number}"
        ),
        _ => "this port is root's on this host; publish a higher one".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_rule_in_plain_words() {
        let words = privileged("port 127.0.0.1:80/tcp", Some(1024));
        assert!(words.contains("below 1024") && words.ends_with("port_start=80"), "{words}");
        assert!(privileged("port [::1]:80/udp", Some(1024)).ends_with("=80"));
        assert!(privileged("port 81/tcp", Some(1024)).ends_with("=81"));
        assert!(privileged("", None).contains("root's"));
    }
}
