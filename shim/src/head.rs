//! What `bolt-shim monitor` hears before there is a plan: its command line.

use crate::launch::{Launch, Net, Userns};

/// Namespaces of the container's own that its init is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spaces {
    /// A user namespace.
    pub user: bool,
    /// Process ids.
    pub pid: bool,
    /// The network.
    pub net: bool,
    /// SysV IPC and POSIX queues.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
}

impl Spaces {
    /// Those of a plan.
    pub fn of(launch: &Launch) -> Self {
        let share = launch.share;
        Spaces {
            user: launch.id_map.is_some(),
            pid: !share.pid,
            net: launch.net != Net::Host,
            ipc: !share.ipc,
            uts: !share.uts,
        }
    }
}

/// What a monitor hears before there is a plan: the words of its command line after `monitor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How it gets P.
    pub userns: Userns,
    /// The container is new and its root lies on layers: upper and work directory are made.
    pub layered: bool,
    /// The container's init is made at once, with these namespaces.
    pub init: Option<Spaces>,
}

impl Head {
    /// As two arguments: how it gets P, and one letter for each of the rest.
    pub fn words(&self) -> [String; 2] {
        let spaces = self.init.map_or(String::from("-"), |spaces| {
            let Spaces { user, pid, net, ipc, uts } = spaces;
            let letters =
                [(user, 'u'), (pid, 'p'), (net, 'n'), (ipc, 'i'), (uts, 't'), (true, 'a')];
            letters.iter().filter(|(on, _)| *on).map(|(_, letter)| letter).collect()
        });
        let layered = if self.layered { "l" } else { "" };
        [self.userns.word().to_owned(), spaces + layered]
    }

    /// What [`Head::words`] wrote.
    pub fn of(userns: &str, letters: &str) -> Option<Self> {
        let has = |letter| letters.contains(letter);
        let spaces = || Spaces {
            user: has('u'),
            pid: has('p'),
            net: has('n'),
            ipc: has('i'),
            uts: has('t'),
        };
        let init = has('a').then(spaces);
        Some(Head { userns: Userns::of(userns)?, layered: has('l'), init })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let spaces = Spaces { user: true, pid: false, net: true, ipc: false, uts: true };
        let none = Spaces { user: false, pid: false, net: false, ipc: false, uts: false };
        for init in [None, Some(spaces), Some(none)] {
            for layered in [false, true] {
                let head = Head { userns: Userns::Join, layered, init };
                let [userns, rest] = head.words();
                assert_eq!(Head::of(&userns, &rest), Some(head));
            }
        }
        assert_eq!(Head::of("elsewhere", "-"), None);
    }
}
