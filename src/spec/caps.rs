//! Capabilities by name and number (capabilities(7)), and `--cap-add`, `--cap-drop` as podman reads them.

use std::fmt;

/// By number: `linux/capability.h`, Linux 5.9 and later.
static NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What podman gives a container that asks for nothing.
static DEFAULT: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// A set of capabilities: bit N is capability number N, as in `/proc/PID/status`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapSet(u64);

/// Why `--cap-add` and `--cap-drop` make no set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// Not one of the kernel's names.
    #[error(
        "unknown capability {name:?}: use a name of capabilities(7) such as NET_ADMIN, with or without CAP_, or ALL"
    )]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// Added and dropped at once.
    #[error("capability {name} is both added and dropped: remove it from --cap-add or --cap-drop")]
    Both {
        /// The full name, or `ALL`.
        name: String,
    },
}

impl CapSet {
    /// No capability.
    pub const EMPTY: CapSet = CapSet(0);

    /// Every capability this version knows by name.
    pub const ALL: CapSet = CapSet((1 << NAMES.len()) - 1);

    /// What a container has unless told otherwise.
    pub fn container_default() -> CapSet {
        DEFAULT.iter().filter_map(|name| number(name)).fold(CapSet::EMPTY, CapSet::with)
    }

    /// From the kernel's bits; bits without a name are dropped.
    pub const fn from_bits(bits: u64) -> CapSet {
        CapSet(bits & CapSet::ALL.0)
    }

    /// The kernel's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether no capability is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with capability `number` added. Numbers without a name change nothing.
    pub const fn with(self, number: u32) -> CapSet {
        if number < NAMES.len() as u32 { CapSet(self.0 | 1 << number) } else { self }
    }

    /// What is in either set.
    pub const fn union(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }

    /// What is in both sets.
    pub const fn intersection(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    pub const fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: CapSet) -> bool {
        other.0 & !self.0 == 0
    }

    /// The numbers in the set, ascending.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..NAMES.len() as u32).filter(move |number| self.0 >> number & 1 == 1)
    }

    /// The full names in the set (`CAP_CHOWN`), by number.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.numbers().filter_map(name)
    }

    /// One name as a set: any case, with or without `CAP_`, or `ALL`.
    pub fn parse(text: &str) -> Result<CapSet, CapError> {
        if text.trim().eq_ignore_ascii_case("ALL") {
            return Ok(CapSet::ALL);
        }
        number(text)
            .map(|number| CapSet::EMPTY.with(number))
            .ok_or_else(|| CapError::Unknown { name: text.to_owned() })
    }

    /// This set after `--cap-add` and `--cap-drop`; each item may be a list with commas.
    ///
    /// As podman has it: `ALL` added leaves what is not dropped, `ALL` dropped leaves what is
    /// added, and naming one thing (or `ALL`) on both sides is an error.
    pub fn adjusted<S: AsRef<str>>(self, add: &[S], drop: &[S]) -> Result<CapSet, CapError> {
        let (add_all, add) = parse_list(add)?;
        let (drop_all, drop) = parse_list(drop)?;
        if add_all && drop_all {
            return Err(CapError::Both { name: "ALL".to_owned() });
        }
        if let Some(name) = add.intersection(drop).names().next() {
            return Err(CapError::Both { name: name.to_owned() });
        }
        let base = match (add_all, drop_all) {
            (true, _) => CapSet::ALL,
            (_, true) => CapSet::EMPTY,
            _ => self,
        };
        Ok(base.union(add).without(drop))
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The number of a capability: any case, with or without `CAP_`.
pub fn number(name: &str) -> Option<u32> {
    let upper = name.trim().to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let at = NAMES.iter().position(|known| &known[4..] == bare)?;
    u32::try_from(at).ok()
}

/// The full name of capability `number`, `CAP_CHOWN` for 0.
pub fn name(number: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(number).ok()?).copied()
}

/// Whether `ALL` was in the list, and the names beside it.
fn parse_list<S: AsRef<str>>(items: &[S]) -> Result<(bool, CapSet), CapError> {
    let mut all = false;
    let mut set = CapSet::EMPTY;
    for item in items.iter().flat_map(|item| item.as_ref().split(',')) {
        if item.trim().eq_ignore_ascii_case("ALL") {
            all = true;
        } else {
            set = set.union(CapSet::parse(item)?);
        }
    }
    Ok((all, set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_the_kernels() {
        assert_eq!(number("cap_chown"), Some(0));
        assert_eq!(number("NET_ADMIN"), Some(12));
        assert_eq!(number("Cap_Sys_Admin"), Some(21));
        assert_eq!(number("CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("CAP_CAP_CHOWN"), None);
        assert_eq!(number(""), None);
        assert_eq!(name(40), Some("CAP_CHECKPOINT_RESTORE"));
        assert_eq!(name(41), None);
        for (at, full) in NAMES.iter().enumerate() {
            assert_eq!(number(full), u32::try_from(at).ok());
        }
    }

    #[test]
    fn the_default_set_is_podmans() {
        let set = CapSet::container_default();
        assert_eq!(set.bits(), 0x8004_05fb, "CapBnd in /proc/self/status under podman");
        assert_eq!(set.names().count(), DEFAULT.len());
    }

    #[test]
    fn add_and_drop() {
        let base = CapSet::container_default();
        let set = |names: &[&str]| {
            names.iter().fold(CapSet::EMPTY, |set, name| set.union(CapSet::parse(name).unwrap()))
        };
        type Case<'a> = (&'a [&'a str], &'a [&'a str], CapSet);
        let cases: &[Case] = &[
            (&[], &[], base),
            (&["net_raw"], &[], base.union(set(&["NET_RAW"]))),
            (&["net_raw, SYS_NICE"], &[], base.union(set(&["NET_RAW", "SYS_NICE"]))),
            (&[], &["CAP_CHOWN"], base.without(set(&["CHOWN"]))),
            (&["all"], &[], CapSet::ALL),
            (&["ALL"], &["SYS_ADMIN"], CapSet::ALL.without(set(&["SYS_ADMIN"]))),
            (&[], &["ALL"], CapSet::EMPTY),
            (&["SYS_NICE"], &["all"], set(&["SYS_NICE"])),
        ];
        for (add, drop, expected) in cases {
            assert_eq!(base.adjusted(add, drop), Ok(*expected), "+{add:?} -{drop:?}");
        }
    }

    #[test]
    fn contradictions_and_unknown_names_are_errors() {
        let base = CapSet::EMPTY;
        let both = |name: &str| CapError::Both { name: name.to_owned() };
        assert_eq!(base.adjusted(&["ALL"], &["all"]), Err(both("ALL")));
        assert_eq!(base.adjusted(&["CHOWN"], &["cap_chown"]), Err(both("CAP_CHOWN")));
        for bad in ["NET", "", "CAP_", "ALLL"] {
            let error = base.adjusted(&[bad], &[]).unwrap_err();
            assert_eq!(error, CapError::Unknown { name: bad.to_owned() });
        }
    }
}
