//! The processes of one container, from procfs of the host (proc_pid_stat(5),
//! proc_pid_status(5)).
//!
//! To be read inside P: the names of another user's namespaces are for his own processes only
//! (ptrace(2)), and there ids are numbers that the container's map knows.

use crate::sys::reader::Reader;
use std::collections::{HashMap, HashSet};
use std::io;

/// One process as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Pid in the host's pid namespace.
    pub host_pid: i32,
    /// Pid in the container.
    pub pid: i32,
    /// Pid of its parent in the container; 0: it came from outside.
    pub ppid: i32,
    /// Process group in the container; 0: its leader is not in there.
    pub group: i32,
    /// Name of at most 15 bytes.
    pub name: String,
    /// Its words; of a kernel thread or a zombie the name in brackets.
    pub args: Vec<String>,
    /// State letter, such as `S`.
    pub state: char,
    /// Device number of the terminal; 0: none.
    pub tty: i32,
    /// User and kernel time in clock ticks.
    pub cpu_ticks: u64,
    /// Kernel time alone.
    pub system_ticks: u64,
    /// Start in clock ticks since boot.
    pub start_ticks: u64,
    /// -20 to 19.
    pub nice: i32,
    /// Size of the address space in bytes.
    pub virtual_bytes: u64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Real and effective user, as the reader's user namespace numbers them.
    pub uids: [u32; 2],
    /// Real and effective group, likewise.
    pub gids: [u32; 2],
    /// Supplementary groups, likewise.
    pub groups: Vec<u32>,
    /// Capabilities, bit N for number N.
    pub caps: Caps,
    /// Seccomp mode: 0, 1 or 2.
    pub seccomp: u32,
    /// Threads.
    pub threads: u64,
}

/// The five sets of a process (capabilities(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// What execve(2) keeps for a program that has no capabilities in its file.
    pub ambient: u64,
    /// What the process can ever get.
    pub bounding: u64,
    /// What the kernel goes by.
    pub effective: u64,
    /// What execve(2) keeps for a program whose file says so.
    pub inheritable: u64,
    /// What may be made effective.
    pub permitted: u64,
}

/// How much of each process is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All of [`Process`].
    Whole,
    /// What it uses: no ids, groups and words, and pids are the host's. A third of the work.
    Usage,
}

/// All processes of the host at one moment.
#[derive(Debug)]
pub struct Table {
    seen: HashMap<i32, Seen>,
    /// Parent → children.
    children: HashMap<i32, Vec<i32>>,
    /// Inode of a pid namespace → who is in it.
    spaces: HashMap<u64, Vec<i32>>,
}

impl Table {
    /// Reads them. Those that end meanwhile are left out. Errors: procfs cannot be listed.
    pub fn read(look: Look) -> io::Result<Table> {
        let mut table =
            Table { seen: HashMap::new(), children: HashMap::new(), spaces: HashMap::new() };
        let mut reader = Reader::default();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(pid) = name.to_str().and_then(|n| n.parse::<i32>().ok())
                && let Some(found) = read(pid, look, &mut reader)
            {
                table.children.entry(found.parent).or_default().push(pid);
                if let Some(pidns) = found.pidns {
                    table.spaces.entry(pidns).or_default().push(pid);
                }
                table.seen.insert(pid, found);
            }
        }
        Ok(table)
    }

    /// Those of the container whose init is `init` in pid namespace `pidns`, by start. Whoever
    /// made a pid namespace of his own within is counted as well.
    pub fn of(&self, init: i32, pidns: u64) -> Vec<Process> {
        let Some(depth) = self.seen.get(&init).map(|found| found.pids.len()) else {
            return Vec::new();
        };
        let members = self.members(init, pidns);
        let inside: HashMap<i32, i32> = members
            .iter()
            .filter_map(|found| Some((found.process.host_pid, *found.pids.get(depth - 1)?)))
            .collect();
        let mut list: Vec<Process> = members
            .into_iter()
            .filter_map(|found| {
                let mut process = found.process.clone();
                process.pid = *inside.get(&process.host_pid)?;
                process.ppid = inside.get(&found.parent).copied().unwrap_or(0);
                process.group = found.groups.get(depth - 1).copied().unwrap_or(0);
                Some(process)
            })
            .collect();
        list.sort_by_key(|p| (p.start_ticks, p.pid));
        list
    }

    /// In the container's pid namespace, or below a process that is.
    fn members(&self, init: i32, pidns: u64) -> Vec<&Seen> {
        let mut todo = vec![init];
        todo.extend(self.spaces.get(&pidns).into_iter().flatten());
        let mut known = HashSet::new();
        let mut members = Vec::new();
        while let Some(pid) = todo.pop() {
            if let Some(found) = self.seen.get(&pid).filter(|_| known.insert(pid)) {
                members.push(found);
                todo.extend(self.children.get(&pid).into_iter().flatten());
            }
        }
        members
    }
}

/// What one look at a process gives, before it is known whose it is.
#[derive(Debug)]
struct Seen {
    process: Process,
    /// Pid of the parent in the host's pid namespace.
    parent: i32,
    /// Its pids from the host's namespace down to its own.
    pids: Vec<i32>,
    /// Its process group, likewise.
    groups: Vec<i32>,
    /// Inode of its pid namespace, where that may be known.
    pidns: Option<u64>,
}

/// The parent of all kernel threads.
const KTHREADD: i32 = 2;

fn read(pid: i32, look: Look, reader: &mut Reader) -> Option<Seen> {
    let mut seen = parse_stat(pid, reader.read(&format!("/proc/{pid}/stat"))?)?;
    if pid == KTHREADD || seen.parent == KTHREADD {
        // In no container, and without a namespace that could be asked for.
        return Some(seen);
    }
    seen.pidns = super::live::pid_namespace(pid);
    if look == Look::Usage {
        return Some(seen);
    }
    parse_status(&reader.text(&format!("/proc/{pid}/status"))?, &mut seen);
    let words = reader.read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    seen.process.args =
        words.split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if seen.process.args.last().is_some_and(String::is_empty) {
        seen.process.args.pop();
    }
    if seen.process.args.is_empty() {
        seen.process.args = vec![format!("[{}]", seen.process.name)];
    }
    Some(seen)
}

/// The name in field 2 may hold blanks and parentheses: it ends at the last `)`.
fn parse_stat(pid: i32, stat: &[u8]) -> Option<Seen> {
    let (open, end) =
        (stat.iter().position(|b| *b == b'(')?, stat.iter().rposition(|b| *b == b')')?);
    let name = String::from_utf8_lossy(stat.get(open + 1..end)?).into_owned();
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Field 3 of the manual is the first here.
    let number = |n: usize| fields.get(n - 3)?.parse::<i64>().ok();
    let process = Process {
        host_pid: pid,
        name,
        state: fields.first()?.chars().next()?,
        tty: number(7)? as i32,
        cpu_ticks: (number(14)? + number(15)?).max(0) as u64,
        system_ticks: number(15)?.max(0) as u64,
        nice: number(19)? as i32,
        start_ticks: number(22)?.max(0) as u64,
        threads: number(20)?.max(0) as u64,
        virtual_bytes: number(23)?.max(0) as u64,
        resident_bytes: number(24)?.max(0) as u64 * rustix::param::page_size() as u64,
        ..Process::default()
    };
    Some(Seen {
        process,
        parent: number(4)? as i32,
        pids: vec![pid],
        groups: Vec::new(),
        pidns: None,
    })
}

fn parse_status(status: &str, seen: &mut Seen) {
    for line in status.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let numbers = || value.split_ascii_whitespace().filter_map(|n| n.parse::<u32>().ok());
        let caps = || u64::from_str_radix(value.trim(), 16).unwrap_or(0);
        match key {
            "Uid" => numbers().zip(&mut seen.process.uids).for_each(|(n, to)| *to = n),
            "Gid" => numbers().zip(&mut seen.process.gids).for_each(|(n, to)| *to = n),
            "NSpgid" => seen.groups = numbers().map(|n| n as i32).collect(),
            "NSpid" => seen.pids = numbers().map(|n| n as i32).collect(),
            "Groups" => seen.process.groups = numbers().collect(),
            "CapAmb" => seen.process.caps.ambient = caps(),
            "CapBnd" => seen.process.caps.bounding = caps(),
            "CapEff" => seen.process.caps.effective = caps(),
            "CapInh" => seen.process.caps.inheritable = caps(),
            "CapPrm" => seen.process.caps.permitted = caps(),
            "Seccomp" => seen.process.seccomp = numbers().next().unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_shifts_no_field() {
        let tail = "S 3 77 77 34816 77 4194304 1 2 3 4 150 50 0 0 20 -5 1 0 4242 8192 2 0";
        let seen = parse_stat(77, format!("77 (a) R 9 (b) {tail}").as_bytes()).unwrap();
        assert_eq!((seen.process.name.as_str(), seen.parent), ("a) R 9 (b", 3));
        assert_eq!((seen.process.cpu_ticks, seen.process.nice), (200, -5));
        assert_eq!(seen.process.system_ticks, 50);
        assert_eq!((seen.process.start_ticks, seen.process.virtual_bytes), (4242, 8192));
        assert_eq!(seen.process.tty, 34816);
        assert!(parse_stat(1, b"1 (a").is_none());
        assert!(parse_stat(1, b"").is_none());
    }

    #[test]
    fn ids_and_pids_of_status() {
        let mut seen = parse_stat(1, b"1 (a) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0").unwrap();
        parse_status(
            "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t900\t12\t1\nSeccomp:\t2\n\
             Groups:\t3 4 \nCapPrm:\t00000000a80425fb\n",
            &mut seen,
        );
        assert_eq!((seen.process.uids, seen.process.gids), ([1, 2], [5, 6]));
        assert_eq!((seen.pids, seen.process.seccomp), (vec![900, 12, 1], 2));
        assert_eq!((seen.process.groups, seen.process.caps.permitted), (vec![3, 4], 0xa804_25fb));
    }

    #[test]
    fn this_process_is_among_those_of_its_namespace() {
        let pid = std::process::id() as i32;
        let pidns = super::super::live::pid_namespace(pid).unwrap();
        let table = Table::read(Look::Whole).unwrap();
        let found = table.of(pid, pidns);
        let own = found.iter().find(|p| p.host_pid == pid).unwrap();
        assert_eq!(own.uids[0], rustix::process::getuid().as_raw());
        assert!(!own.args.is_empty() && own.resident_bytes > 0);
        assert!(table.of(i32::MAX, pidns).is_empty());
        let short = Table::read(Look::Usage).unwrap().of(pid, pidns);
        let own = short.iter().find(|p| p.host_pid == pid).unwrap();
        assert!(own.args.is_empty() && own.resident_bytes > 0 && own.threads > 0);
    }
}
