//! `--tz`: the host's file of a time zone, at `/etc/localtime`.

use super::machine::{changed, may_change};
use crate::harness::user::{IMAGE, Session};
use std::path::Path;

/// What the host has below /usr/share/zoneinfo, where any is.
const TOKYO: &str = "Asia/Tokyo";

/// The smallest file of a time zone (tzfile(5), version 2) that is five hours and a half ahead of UTC.
fn made_zone() -> Vec<u8> {
    let offset = 19800_i32.to_be_bytes();
    let mut block = b"TZif2".to_vec();
    block.extend([0; 15]);
    // isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt.
    for count in [0_u32, 0, 0, 0, 1, 4] {
        block.extend(count.to_be_bytes());
    }
    block.extend(offset);
    block.extend([0, 0]);
    block.extend(b"MAD\0");
    [&block[..], &block, b"\nMAD-5:30\n"].concat()
}

/// The zone, as the container's `date` and its record have it.
fn assert_holds(s: &Session, change: &str, zone: &str, shown: &str) {
    let script = "date +%Z%z";
    let flags = ["run", "--network", "none", "--name", "x", "--tz", zone];
    let words = [&flags[..], &[IMAGE, "sh", "-c", script]].concat();
    let out = if change.is_empty() { s.run(&words) } else { changed(s, change, &words) };
    assert_eq!((out.code, out.err.as_str()), (0, ""), "{zone}: {out:?}");
    assert_eq!(out.out.lines().next(), Some(shown), "{zone}: {out:?}");
    assert_eq!(s.inspect("x", ".Config.Timezone"), zone);
    s.ok(&["rm", "x"]);
}

/// Whatever zones the machine has: in a mount namespace it gets one.
#[test]
fn a_zone_is_the_containers() {
    let s = session!();
    let file = s.file("made", made_zone());
    if may_change() {
        let zones = "/usr/share/zoneinfo";
        let change = format!(
            "exec 3<{file}; mount -t tmpfs none /usr/share; mkdir -p {zones}/Made; \
             cat <&3 >{zones}/Made/Here; exec 3<&-; chmod -R a+rX /usr/share"
        );
        assert_holds(&s, &change, "Made/Here", "MAD+0530");
        // And there only what was made.
        let words = ["run", "--rm", "--network", "none", "--tz", TOKYO, IMAGE, "true"];
        let out = changed(&s, &change, &words);
        assert!(out.code == 125 && out.err.contains("is not a time zone"), "{out:?}");
    } else if !Path::new("/usr/share/zoneinfo").join(TOKYO).is_file() {
        skip!("no tzdata, and nobody who can make a zone of the machine's");
    }
    if Path::new("/usr/share/zoneinfo").join(TOKYO).is_file() {
        assert_holds(&s, "", TOKYO, "JST+0900");
    }
    // Without the flag it is the image's, which has none.
    assert_eq!(s.script(&[], "date +%Z%z; ls -A /etc/localtime 2>/dev/null; true"), "UTC+0000");
}

#[test]
fn the_local_zone_is_the_hosts() {
    let s = session!();
    let Ok(host) = std::fs::read("/etc/localtime") else {
        skip!("the host has no /etc/localtime");
    };
    let copy = s.file("copy", host);
    let same = "cmp /copy /etc/localtime && echo same";
    let mount = format!("{copy}:/copy");
    assert_eq!(s.script(&["--tz", "local", "-v", &mount], same), "same");
}

#[test]
fn what_is_no_zone_is_refused() {
    let s = session!();
    for zone in ["No/Where", "../../../etc/passwd", "/etc/passwd", "Asia", ""] {
        let out = s.once(&["--tz", zone], &["true"]);
        assert_eq!((out.code, out.out.as_str()), (125, ""), "{zone}: {out:?}");
        assert!(out.err.contains("is not a time zone of this host"), "{zone}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}
