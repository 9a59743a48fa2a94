/* floor.c - the least work by which a rootless `run --rm --network none` can be done: the
 * yardstick of the start benches. No option handling, no image, no log; what is left is what
 * the kernel and the disk ask of everybody.
 *
 *   floor MODE [-O] LAYERS DATA RUN FILTER COMMAND [ARG...]
 *
 *   MODE    s      one id: the caller is root inside
 *           p      the whole range, by newuidmap and newgidmap at once
 *           j:PID  below the user namespace of PID, which has the whole range already
 *   -O      overlapped: id maps, files, namespaces and the network namespace at the same time
 *   LAYERS  directory of layer directories 00, 01, ... (lowest first)
 *   DATA    where upper and work are made (a disk), RUN where lock and state are (a tmpfs)
 *   FILTER  seccomp program, struct sock_filter[]
 *
 * The outer process supervises: lock, state, exit code, removal. The inner one becomes COMMAND.
 * End of file on the inner one's close-on-exec end of `line` tells that it has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define MUST(call) must((long)(call), #call)

static char mode;
static int overlapped;
static int pinned;
static const char *layers_dir, *filter_file;
static char home[256], state_dir[256];
static uid_t user;
static gid_t group;

static long must(long result, const char *what) {
    if (result >= 0) return result;
    dprintf(2, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

static void store(int dir, const char *name, const char *text) {
    int fd = (int)MUST(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    MUST(write(fd, text, strlen(text)));
    close(fd);
}

/* ---- mounts ---- */

static int make_fs(const char *kind, const char *const *options) {
    int fs = (int)MUST(syscall(SYS_fsopen, kind, FSOPEN_CLOEXEC));
    for (; options && *options; options += 2) {
        int flag = options[1] == 0;
        MUST(syscall(SYS_fsconfig, fs, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, options[0], options[1], 0));
        if (flag) break;
    }
    MUST(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0));
    int tree = (int)MUST(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
    close(fs);
    return tree;
}

static void put_on(int tree, int dir, const char *path) {
    MUST(syscall(SYS_move_mount, tree, "", dir, path, MOVE_MOUNT_F_EMPTY_PATH));
}

static int copy_of(int dir, const char *path) {
    return (int)syscall(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static void restrict_to(int tree, unsigned long long set) {
    struct mount_attr attr = {.attr_set = set};
    MUST(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr));
}

static void mount_kind(int root, const char *kind, const char *at, unsigned long long set) {
    int tree = make_fs(kind, 0);
    if (set) restrict_to(tree, set);
    put_on(tree, root, at);
    close(tree);
}

static int overlay(void) {
    char path[512];
    int fs = (int)MUST(syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
    int top = 0;
    while (snprintf(path, sizeof path, "%s/%02d", layers_dir, top), access(path, F_OK) == 0) top++;
    while (top-- > 0) {
        snprintf(path, sizeof path, "%s/%02d", layers_dir, top);
        MUST(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", path, 0));
    }
    static const char *const own[] = {"upperdir", "upper", "workdir", "work"};
    for (unsigned i = 0; i < COUNT(own); i += 2) {
        snprintf(path, sizeof path, "%s/%s", home, own[i + 1]);
        MUST(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, own[i], path, 0));
    }
    MUST(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "volatile", 0, 0));
    MUST(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", 0, 0));
    MUST(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0));
    int tree = (int)MUST(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0));
    close(fs);
    return tree;
}

static void devices(int root) {
    static const char *const size[] = {"mode", "755", "size", "65536k", 0};
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const links[][2] = {
        {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
        {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}, {"/proc/kcore", "core"}};
    int dev = make_fs("tmpfs", size);
    put_on(dev, root, "dev");
    for (unsigned i = 0; i < COUNT(nodes); i++) {
        char host[32];
        snprintf(host, sizeof host, "/dev/%s", nodes[i]);
        close((int)MUST(openat(dev, nodes[i], O_CREAT | O_EXCL | O_CLOEXEC, 0666)));
        int tree = (int)MUST(copy_of(AT_FDCWD, host));
        put_on(tree, dev, nodes[i]);
        close(tree);
    }
    for (unsigned i = 0; i < COUNT(links); i++) MUST(symlinkat(links[i][0], dev, links[i][1]));
    MUST(mkdirat(dev, "pts", 0755));
    MUST(mkdirat(dev, "shm", 01777));
    MUST(mkdirat(dev, "mqueue", 0755));
    static const char *const pts[] = {"ptmxmode", "0666", "mode", "0620", 0};
    int tree = make_fs("devpts", pts);
    put_on(tree, dev, "pts");
    close(tree);
    static const char *const shm[] = {"mode", "1777", "size", "65536k", 0};
    tree = make_fs("tmpfs", shm);
    restrict_to(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    put_on(tree, dev, "shm");
    close(tree);
    mount_kind(dev, "mqueue", "mqueue", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    close(dev);
}

/* The lists of the containers' world: what leaks is covered, what steers is read-only. */
static void covers(int root) {
    static const char *const hidden[] = {
        "proc/acpi", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list", "proc/timer_stats",
        "proc/sched_debug", "proc/scsi", "sys/firmware", "sys/fs/selinux", "sys/dev/block"};
    static const char *const fixed[] = {"proc/asound", "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
    static const char *const tiny[] = {"mode", "555", "size", "4k", 0};
    const unsigned long long set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int empty = -1;
    for (unsigned i = 0; i < COUNT(hidden); i++) {
        struct stat st;
        if (fstatat(root, hidden[i], &st, 0) < 0) continue;
        if (!S_ISDIR(st.st_mode)) {
            int tree = (int)MUST(copy_of(AT_FDCWD, "/dev/null"));
            put_on(tree, root, hidden[i]);
            close(tree);
        } else if (empty < 0) {
            empty = make_fs("tmpfs", tiny);
            restrict_to(empty, set);
            put_on(empty, root, hidden[i]);
        } else {
            int tree = (int)MUST(syscall(SYS_open_tree, empty, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
            put_on(tree, root, hidden[i]);
            close(tree);
        }
    }
    for (unsigned i = 0; i < COUNT(fixed); i++) {
        int tree = copy_of(root, fixed[i]);
        if (tree < 0) continue;
        restrict_to(tree, set);
        put_on(tree, root, fixed[i]);
        close(tree);
    }
}

static void small_files(int root) {
    static const char *const names[] = {"hosts", "hostname", "resolv.conf"};
    for (unsigned i = 0; i < COUNT(names); i++) {
        char from[300], to[32];
        snprintf(from, sizeof from, "%s/%s", home, names[i]);
        snprintf(to, sizeof to, "etc/%s", names[i]);
        int tree = (int)MUST(copy_of(AT_FDCWD, from));
        put_on(tree, root, to);
        close(tree);
    }
}

/* ---- the inner process ---- */

static void *network(void *out) {
    MUST(syscall(SYS_unshare, CLONE_NEWNET));
    *(int *)out = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return 0;
}

static void drop(void) {
    const unsigned long long keep = 0x800405fbULL; /* podman's eleven */
    for (int cap = 0; cap < 64; cap++) {
        if (keep >> cap & 1) continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) break;
    }
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{(unsigned)keep, (unsigned)keep, 0}, {0, 0, 0}};
    MUST(syscall(SYS_capset, &head, data));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void load_filter(int fd) {
    static struct sock_filter code[4096];
    long bytes = MUST(read(fd, code, sizeof code));
    struct sock_fprog program = {(unsigned short)(bytes / (long)sizeof *code), code};
    close(fd);
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void inner(int line, char **command) {
    const int rest = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    pthread_t thread;
    int net = -1;
    char byte;
    if (overlapped) {
        MUST(-pthread_create(&thread, 0, network, &net));
        MUST(syscall(SYS_unshare, rest));
    }
    if (read(line, &byte, 1) != 1) _exit(125);
    /* Raw: glibc's and musl's own would wake the other thread to do the same. */
    MUST(syscall(SYS_setresgid, 0, 0, 0));
    MUST(syscall(SYS_setresuid, 0, 0, 0));
    struct mount_attr private = {.propagation = 1 << 18};
    MUST(syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private));
    /* Opened while the host's root is still here. */
    int filter = (int)MUST(open(filter_file, O_RDONLY | O_CLOEXEC));
    int root = overlay();
    put_on(root, AT_FDCWD, "/");
    const unsigned long long plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    devices(root);
    small_files(root);
    mount_kind(root, "proc", "proc", plain);
    if (overlapped) {
        pthread_join(thread, 0);
        MUST(syscall(SYS_setns, net, CLONE_NEWNET));
    }
    mount_kind(root, "sysfs", "sys", plain | MOUNT_ATTR_RDONLY);
    covers(root);
    MUST(fchdir(root));
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(syscall(SYS_umount2, ".", 2 /* MNT_DETACH */));
    MUST(chdir("/"));
    MUST(sethostname("floor", 5));
    struct rlimit files = {1024, 1048576}, now;
    getrlimit(RLIMIT_NOFILE, &now);
    if (files.rlim_max > now.rlim_max) files.rlim_max = now.rlim_max;
    MUST(setrlimit(RLIMIT_NOFILE, &files));
    drop();
    load_filter(filter);
    execve(command[0], command, environ);
    must(-1, command[0]);
}

/* ---- the outer process ---- */

static pid_t helper(const char *program, pid_t pid, unsigned id, unsigned from, unsigned count) {
    char words[5][16];
    const unsigned numbers[] = {(unsigned)pid, id, from, count};
    for (unsigned i = 0; i < COUNT(numbers); i++) snprintf(words[i], sizeof *words, "%u", numbers[i]);
    char *argv[] = {(char *)program, words[0], "0", words[1], "1", "1", words[2], words[3], 0};
    pid_t child;
    if (posix_spawnp(&child, program, 0, 0, argv, environ) != 0) MUST(-1);
    return child;
}

static void range_of(const char *file, unsigned *from, unsigned *count) {
    char line[256];
    const char *name = getenv("USER");
    FILE *list = fopen(file, "re");
    while (list && name && fgets(line, sizeof line, list)) {
        size_t n = strlen(name);
        if (!strncmp(line, name, n) && sscanf(line + n, ":%u:%u", from, count) == 2) break;
    }
    if (list) fclose(list);
    if (!*count) MUST(-1);
}

/* Both at once; what the caller does meanwhile costs no time. */
static void start_helpers(pid_t pid, pid_t both[2]) {
    unsigned from[2] = {0, 0}, count[2] = {0, 0};
    range_of("/etc/subuid", &from[0], &count[0]);
    range_of("/etc/subgid", &from[1], &count[1]);
    both[0] = helper("newuidmap", pid, user, from[0], count[0]);
    both[1] = helper("newgidmap", pid, group, from[1], count[1]);
}

static void await_helpers(const pid_t both[2]) {
    for (int i = 0; i < 2; i++) {
        int status;
        MUST(waitpid(both[i], &status, 0));
        if (status) MUST(-1);
    }
}

static void map_directly(pid_t pid) {
    char path[64], text[64];
    const char *whole = "0 0 1\n1 1 65536\n";
    snprintf(path, sizeof path, "/proc/%d", pid);
    int proc = (int)MUST(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!pinned) store(proc, "setgroups", "deny");
    snprintf(text, sizeof text, "0 %u 1\n", user);
    store(proc, "uid_map", pinned ? whole : text);
    snprintf(text, sizeof text, "0 %u 1\n", group);
    store(proc, "gid_map", pinned ? whole : text);
    close(proc);
}

static void write_state(int dir, const char *status, pid_t pid) {
    char text[512];
    snprintf(text, sizeof text,
             "{\"version\":1,\"status\":\"%s\",\"pid\":%d,\"monitor\":%d,\"started\":0,\"exit\":0,\"mounts\":[]}\n", status,
             pid, getpid());
    store(dir, "state.json.new", text);
    MUST(renameat(dir, "state.json.new", dir, "state.json"));
}

static int lock_fd, run_fd;

static void make_files(void) {
    MUST(mkdir(home, 0700));
    MUST(mkdir(state_dir, 0700));
    int data = (int)MUST(open(home, O_PATH | O_DIRECTORY | O_CLOEXEC));
    run_fd = (int)MUST(open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
    lock_fd = (int)MUST(openat(run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct flock lock = {.l_type = F_WRLCK};
    MUST(fcntl(lock_fd, F_OFD_SETLK, &lock));
    write_state(run_fd, "created", 0);
    MUST(mkdirat(data, "upper", 0755));
    MUST(mkdirat(data, "work", 0755));
    store(data, "hosts", "127.0.0.1 localhost\n::1 localhost\n");
    store(data, "hostname", "floor\n");
    store(data, "resolv.conf", "");
    close(data);
}

/* The overlay's own leavings are the only ones: a payload that writes is not what is timed. */
static void remove_files(void) {
    static const char *const files[] = {"hosts", "hostname", "resolv.conf"};
    static const char *const dirs[] = {"work/work/incompat/volatile", "work/work/incompat", "work/work", "work", "upper"};
    int data = (int)MUST(open(home, O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (unsigned i = 0; i < COUNT(files); i++) unlinkat(data, files[i], 0);
    /* The kernel makes all of them with mode 000. */
    fchmodat(data, "work/work", 0700, 0);
    fchmodat(data, "work/work/incompat", 0700, 0);
    fchmodat(data, "work/work/incompat/volatile", 0700, 0);
    unlinkat(data, "work/work/incompat/volatile/dirty", 0);
    for (unsigned i = 0; i < COUNT(dirs); i++) unlinkat(data, dirs[i], AT_REMOVEDIR);
    close(data);
    MUST(rmdir(home));
    unlinkat(run_fd, "state.json", 0);
    unlinkat(run_fd, "lock", 0);
    MUST(rmdir(state_dir));
}

static void join(const char *pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/user", pid);
    int ns = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
    MUST(setns(ns, CLONE_NEWUSER));
    close(ns);
    MUST(setresgid(0, 0, 0));
    MUST(setresuid(0, 0, 0));
    MUST(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    pinned = 1;
}

int main(int argc, char **argv) {
    int at = 2;
    if (argc > 2 && !strcmp(argv[2], "-O")) overlapped = 1, at = 3;
    if (argc < at + 5) return 2;
    mode = argv[1][0];
    user = getuid(), group = getgid();
    layers_dir = argv[at], filter_file = argv[at + 3];
    snprintf(home, sizeof home, "%s/%d", argv[at + 1], getpid());
    snprintf(state_dir, sizeof state_dir, "%s/%d", argv[at + 2], getpid());
    if (mode == 'j') join(argv[1] + 2);
    if (!overlapped) make_files();

    int line[2], pidfd = -1;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line));
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD, .pidfd = (unsigned long)&pidfd, .exit_signal = SIGCHLD};
    if (!overlapped) args.flags |= CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET;
    pid_t pid = (pid_t)MUST(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) {
        close(line[0]);
        inner(line[1], argv + at + 4);
    }
    close(line[1]);
    pid_t helpers[2] = {0, 0};
    if (mode == 'p')
        start_helpers(pid, helpers);
    else
        map_directly(pid);
    if (overlapped) make_files();
    if (mode == 'p') await_helpers(helpers);
    MUST(write(line[0], "g", 1));
    char byte;
    if (read(line[0], &byte, 1) != 0) return 125;
    write_state(run_fd, "running", pid);
    struct pollfd wait = {pidfd, POLLIN, 0};
    while (poll(&wait, 1, -1) != 1) {}
    int status;
    MUST(waitpid(pid, &status, 0));
    remove_files();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
