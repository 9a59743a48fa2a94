//! What a running container uses: from its control group where it has one, else from its
//! processes (cgroups v2 and v1 of the kernel's admin guide, proc_pid_io(5)).
//!
//! To be read inside P, as [`super::processes`] is.

use super::processes::{Look, Process, Table};
use super::state::Recorded;
use crate::sys::reader::Reader;
use std::io;
use std::path::Path;

/// One look at a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in nanoseconds since the container began. From processes alone: of those that
    /// live.
    pub cpu_nanos: u64,
    /// The part of it that was spent in the kernel.
    pub system_nanos: u64,
    /// CPU time in nanoseconds of each processor; only a group of v1 counts it.
    pub per_cpu: Vec<u64>,
    /// Memory in bytes.
    pub memory: u64,
    /// Most that it may have, in bytes: the limit, or all memory.
    pub memory_limit: u64,
    /// Processes and threads.
    pub pids: u64,
    /// What went through each network device, but for the loopback device.
    pub net: Vec<Device>,
    /// Bytes read from and written to block devices.
    pub block: (u64, u64),
}

impl Usage {
    /// Bytes received and sent.
    pub fn net_bytes(&self) -> (u64, u64) {
        self.net
            .iter()
            .fold((0, 0), |sum, device| (sum.0 + device.received.bytes, sum.1 + device.sent.bytes))
    }
}

/// One network device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name in the container.
    pub name: String,
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// One direction of a network device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Errors.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// One look at many containers.
#[derive(Debug)]
pub struct Observer {
    table: Table,
    reader: Reader,
    /// All memory of the host in bytes.
    memory: u64,
}

impl Observer {
    /// Lists the processes. Errors: procfs cannot be listed.
    pub fn new() -> io::Result<Observer> {
        let mut reader = Reader::default();
        let memory = all_memory(&reader.text("/proc/meminfo").unwrap_or_default());
        Ok(Observer { table: Table::read(Look::Usage)?, reader, memory })
    }

    /// What the container with this record uses now.
    pub fn read(&mut self, state: &Recorded) -> Usage {
        let processes = self.table.of(state.pid, state.pidns);
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let net = self.reader.text(&format!("/proc/{}/net/dev", state.pid));
        let nanos = |ticks_of: fn(&Process) -> u64| {
            processes.iter().map(ticks_of).sum::<u64>() * (1_000_000_000 / ticks)
        };
        let mut usage = Usage {
            cpu_nanos: nanos(|p| p.cpu_ticks),
            system_nanos: nanos(|p| p.system_ticks),
            per_cpu: Vec::new(),
            memory: processes.iter().map(|p| p.resident_bytes).sum(),
            memory_limit: self.memory,
            pids: processes.iter().map(|p| p.threads).sum(),
            net: network(&net.unwrap_or_default()),
            block: (0, 0),
        };
        let mut counted = false;
        for dir in payload_groups(&state.cgroup) {
            counted |= from_group(dir, &mut usage, &mut self.reader);
        }
        if !counted {
            for process in &processes {
                let io = self.reader.text(&format!("/proc/{}/io", process.host_pid));
                let (read, written) = process_io(&io.unwrap_or_default());
                usage.block = (usage.block.0 + read, usage.block.1 + written);
            }
        }
        usage
    }
}

/// The directories that count the container alone: in a scope its `payload`, which the
/// supervisor is not in, else all of them, one a controller (v1).
fn payload_groups(all: &[String]) -> Vec<&Path> {
    let named = |dir: &&Path| dir.file_name().is_some_and(|name| name == "payload");
    let payload: Vec<&Path> = all.iter().map(Path::new).filter(named).collect();
    if payload.is_empty() { all.iter().map(Path::new).collect() } else { payload }
}

/// What one directory of a control group tells; whether that is the block devices' traffic too.
fn from_group(dir: &Path, usage: &mut Usage, reader: &mut Reader) -> bool {
    let Some(dir) = dir.to_str() else { return false };
    let mut read = |name: &str| Some(reader.text(&format!("{dir}/{name}"))?.into_owned());
    let number = |text: Option<String>| text?.trim().parse::<u64>().ok();
    if let Some(stat) = read("cpu.stat")
        && let Some(micros) = field(&stat, "usage_usec")
    {
        usage.cpu_nanos = micros * 1000;
        usage.system_nanos = field(&stat, "system_usec").unwrap_or(0) * 1000;
    }
    if let Some(nanos) = number(read("cpuacct.usage")) {
        usage.cpu_nanos = nanos;
        usage.system_nanos = number(read("cpuacct.usage_sys")).unwrap_or(0);
        let each = read("cpuacct.usage_percpu").unwrap_or_default();
        usage.per_cpu = each.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    }
    let memory = number(read("memory.current"));
    if let Some(bytes) = memory.or_else(|| number(read("memory.usage_in_bytes"))) {
        usage.memory = bytes;
    }
    // No limit is "max", or in v1 a number above all memory.
    let limit = number(read("memory.max"));
    if let Some(limit) = limit.or_else(|| number(read("memory.limit_in_bytes"))) {
        usage.memory_limit = usage.memory_limit.min(limit);
    }
    if let Some(pids) = number(read("pids.current")) {
        usage.pids = pids;
    }
    let Some(stat) = read("io.stat") else { return false };
    usage.block = group_io(&stat);
    true
}

/// `key value` lines.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(key)?.trim().parse().ok())
}

fn all_memory(meminfo: &str) -> u64 {
    let kib = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next());
    kib.and_then(|n| n.parse::<u64>().ok()).map_or(0, |n| n * 1024)
}

/// Eight columns of what was received behind each name, then eight of what was sent
/// (proc_pid_net(5)).
fn network(dev: &str) -> Vec<Device> {
    let device = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let traffic = |from: usize| {
            let [bytes, packets, errors, dropped] = *numbers.get(from..from + 4)? else {
                return None;
            };
            Some(Traffic { bytes, packets, errors, dropped })
        };
        let name = name.trim().to_owned();
        Some(Device { name, received: traffic(0)?, sent: traffic(8)? })
    };
    dev.lines().filter_map(device).filter(|device| device.name != "lo").collect()
}

fn process_io(io: &str) -> (u64, u64) {
    (field(io, "read_bytes:").unwrap_or(0), field(io, "write_bytes:").unwrap_or(0))
}

/// `8:0 rbytes=1 wbytes=2 …` a device.
fn group_io(stat: &str) -> (u64, u64) {
    let sum = |key: &str| {
        stat.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum()
    };
    (sum("rbytes="), sum("wbytes="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn loopback_is_nobodys_traffic() {
        let dev = "Inter-|   Receive |  Transmit\n face |bytes packets\n\
                   lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  \
                   tap0: 100 1 2 3 0 0 0 0 200 4 5 6 0 0 0 0\n  \
                   eth1:5 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n";
        let net = network(dev);
        let usage = Usage { net: net.clone(), ..Usage::default() };
        assert_eq!(usage.net_bytes(), (105, 207));
        assert_eq!((net.len(), &*net[0].name), (2, "tap0"));
        assert_eq!(net[0].received, Traffic { bytes: 100, packets: 1, errors: 2, dropped: 3 });
        assert_eq!(net[0].sent, Traffic { bytes: 200, packets: 4, errors: 5, dropped: 6 });
        assert!(network("").is_empty());
    }

    #[test]
    fn bytes_of_devices_are_added() {
        assert_eq!(group_io("8:0 rbytes=1 wbytes=2 rios=3\n8:16 rbytes=10 wbytes=20\n"), (11, 22));
        assert_eq!(process_io("rchar: 5\nread_bytes: 7\nwrite_bytes: 9\n"), (7, 9));
    }

    #[test]
    fn a_group_outranks_its_processes() {
        let scratch = Scratch::new("usage");
        let write =
            |name: &str, text: &str| std::fs::write(scratch.path().join(name), text).unwrap();
        write("cpu.stat", "usage_usec 5\nuser_usec 1\nsystem_usec 4\n");
        write("memory.current", "4096\n");
        write("memory.max", "max\n");
        write("pids.current", "3\n");
        let mut usage = Usage { memory: 1, memory_limit: 8192, ..Usage::default() };
        from_group(scratch.path(), &mut usage, &mut Reader::default());
        assert_eq!((usage.cpu_nanos, usage.memory, usage.pids), (5000, 4096, 3));
        assert_eq!(usage.system_nanos, 4000);
        assert_eq!(usage.memory_limit, 8192);
        write("memory.max", "5000\n");
        from_group(scratch.path(), &mut usage, &mut Reader::default());
        assert_eq!(usage.memory_limit, 5000);
        let old = Scratch::new("usage-v1");
        for (name, text) in [("usage", "9\n"), ("usage_sys", "3\n"), ("usage_percpu", "4 5 \n")] {
            std::fs::write(old.path().join(format!("cpuacct.{name}")), text).unwrap();
        }
        from_group(old.path(), &mut usage, &mut Reader::default());
        assert_eq!((usage.cpu_nanos, usage.system_nanos, &*usage.per_cpu), (9, 3, &[4, 5][..]));
        let nested = ["/a/payload", "/a/monitor", "/a"].map(str::to_owned);
        assert_eq!(payload_groups(&nested), [Path::new("/a/payload")]);
        let v1 = ["/memory/b", "/pids/b"].map(str::to_owned);
        assert_eq!(payload_groups(&v1).len(), 2);
    }
}
