//! The profile containers have unless told otherwise.
//!
//! Its verdicts are those of containers-common's `seccomp.json` (0.50), which podman uses, and
//! which, unlike docker's, lets a sandbox be made inside a container; a test compares the two for
//! every call. Beyond it only the calls of [`NEWER`] are allowed. What is in no table is ENOSYS,
//! so that programs take their older way.

use super::profile::{Action, ArchEntry, ArgTest, Op, Profile, Rule, When};
use crate::spec::caps::CapSet;
use std::borrow::Cow;

/// Raised with every change of the tables below.
pub(super) const VERSION: u32 = 1;

const EPERM: Action = Action::Errno(1);
const EINVAL: Action = Action::Errno(22);
const ENOSYS: Action = Action::Errno(38);

/// `AF_NETLINK`.
const AF_NETLINK: u64 = 16;
/// `NETLINK_AUDIT`.
const NETLINK_AUDIT: u64 = 9;

/// Files, directories and their attributes.
const FILES: &str = "
    _llseek access chdir chmod chown chown32 close close_range copy_file_range creat dup
    dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr
    fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
    futimesat getcwd getdents getdents64 getxattr ioctl lchown lchown32 lgetxattr link
    linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat
    mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv
    removexattr rename renameat renameat2 rmdir sendfile sendfile64 setxattr splice stat
    stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate
    truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes write writev
";

/// Waiting for many things, and asynchronous reading.
const WAITING: &str = "
    _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
    epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit poll
    ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4
";

/// Mounts and namespaces: nested sandboxes (bubblewrap, pressure-vessel) live on these.
const MOUNTS: &str = "
    fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setns
    umount umount2 unshare
";

/// Memory.
const MEMORY: &str = "
    brk get_mempolicy madvise mbind membarrier memfd_create memfd_secret mincore mlock
    mlock2 mlockall mmap mmap2 mprotect mremap msync munlock munlockall munmap pkey_alloc
    pkey_free pkey_mprotect process_mrelease remap_file_pages set_mempolicy
";

/// Processes, threads and their scheduling.
const PROCESSES: &str = "
    capget capset clone clone3 execve execveat exit exit_group fork futex futex_time64
    get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid getpriority
    getrlimit getrusage getsid gettid ioprio_get ioprio_set landlock_add_rule
    landlock_create_ruleset landlock_restrict_self pidfd_getfd pidfd_open prctl prlimit64
    process_vm_readv process_vm_writev ptrace restart_syscall rseq sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area
    set_tid_address setpgid setpriority setrlimit setsid syscall ugetrlimit vfork wait4
    waitid waitpid
";

/// Users and groups.
const IDS: &str = "
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid
    getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid
    setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
";

/// Signals.
const SIGNALS: &str = "
    kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
    sigaction sigaltstack signal sigpending sigprocmask sigreturn sigsuspend tgkill tkill
";

/// Clocks and timers.
const CLOCKS: &str = "
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
    clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer
    gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun
    timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
";

/// Sockets, save for making one: see `sockets`.
const SOCKETS: &str = "
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom
    recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown
    socketcall socketpair
";

/// System V and POSIX message queues, semaphores, shared memory; keys.
const IPC: &str = "
    ipc keyctl mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
    mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget
    semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
";

/// The machine as a whole; what needs a capability still needs it.
const MACHINE: &str = "
    getrandom reboot sysinfo syslog uname
";

/// Segments: 32-bit code and Wine need them.
const X86: &str = "
    arch_prctl modify_ldt
";

/// Newer than the profile of containers-common 0.50, and harmless relatives of what it allows. futex_waitv is what Wine's fsync waits with.
pub(super) const NEWER: &str = "
    cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake map_shadow_stack
";

/// What no program in a container needs, refused with EPERM. Some are gone from all kernels.
const REFUSED: &str = "
    bdflush io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl
    nice oldfstat oldlstat oldolduname oldstat olduname sgetmask ssetmask swapoff swapon
    sysfs uselib userfaultfd ustat vm86 vm86old vmsplice
";

/// Allowed with the capability, EPERM without it.
const GATED: &[(&str, &str)] = &[
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf fanotify_init lookup_dcookie perf_event_open quotactl setdomainname sethostname",
    ),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module query_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp process_madvise"),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
];

/// What Mesa and games need beside the profile (`--gpu`): comparing file descriptions, and memory
/// advice across processes.
const GAMES: &str = "kcmp process_madvise";

/// The personalities a program may take on: PER_LINUX, PER_LINUX32, each with UNAME26, and asking.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff];

/// [`Profile::builtin`].
pub(super) fn profile() -> Profile {
    let allowed = [
        FILES, WAITING, MOUNTS, MEMORY, PROCESSES, IDS, SIGNALS, CLOCKS, SOCKETS, IPC, MACHINE,
        X86, NEWER,
    ];
    let mut rules = vec![rule(REFUSED, EPERM)];
    rules.extend(allowed.map(|names| rule(names, Action::Allow)));
    rules.extend(PERSONALITIES.map(|value| Rule {
        tests: vec![ArgTest::new(0, Op::Eq, value)],
        ..rule("personality", Action::Allow)
    }));
    for (cap, names) in GATED {
        rules.extend(gated(cap, rule(names, Action::Allow), rule(names, EPERM)));
    }
    rules.extend(sockets());
    Profile {
        default: ENOSYS,
        arches: vec![ArchEntry {
            native: Cow::Borrowed("SCMP_ARCH_X86_64"),
            beside: vec![Cow::Borrowed("SCMP_ARCH_X86"), Cow::Borrowed("SCMP_ARCH_X32")],
        }],
        rules,
    }
}

/// [`super::Options::games`].
pub(super) fn games() -> Rule {
    rule(GAMES, Action::Allow)
}

/// Any socket, but the audit one only with CAP_AUDIT_WRITE: sudo and sshd read EINVAL as "this
/// kernel has no audit", EPERM as a failure.
fn sockets() -> impl Iterator<Item = Rule> {
    let netlink = |op| ArgTest::new(0, op, AF_NETLINK);
    let audit = |op| ArgTest::new(2, op, NETLINK_AUDIT);
    let socket = |tests, action| Rule { tests, ..rule("socket", action) };
    let mut refused = [
        socket(vec![netlink(Op::Eq), audit(Op::Eq)], EINVAL),
        socket(vec![audit(Op::Ne)], Action::Allow),
        socket(vec![netlink(Op::Ne)], Action::Allow),
    ];
    let mut allowed = rule("socket", Action::Allow);
    allowed.when.caps = capability("AUDIT_WRITE");
    for rule in &mut refused {
        rule.when.without_caps = capability("AUDIT_WRITE");
    }
    refused.into_iter().chain([allowed])
}

fn gated(cap: &str, mut with: Rule, mut without: Rule) -> [Rule; 2] {
    with.when.caps = capability(cap);
    without.when.without_caps = capability(cap);
    [with, without]
}

/// A name from the tables above; a test holds that all are known.
fn capability(name: &str) -> CapSet {
    CapSet::parse(name).unwrap_or(CapSet::ALL)
}

fn rule(names: &'static str, action: Action) -> Rule {
    Rule {
        names: names.split_whitespace().map(Cow::Borrowed).collect(),
        action,
        tests: Vec::new(),
        when: When::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_known() {
        for (cap, _) in GATED {
            assert!(CapSet::parse(cap).is_ok(), "{cap}");
        }
        assert_ne!(capability("AUDIT_WRITE"), CapSet::ALL);
    }

    #[test]
    fn no_call_is_named_twice() {
        let mut names: Vec<Cow<str>> = profile()
            .rules
            .into_iter()
            .filter(|rule| rule.tests.is_empty() && rule.when.without_caps.is_empty())
            .flat_map(|rule| rule.names)
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
