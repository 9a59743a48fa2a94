/* probe.c - the payload of the start benches: proves what it was put into, then ends.
 *
 *   probe            exit 0 when the user namespace has the whole range of ids
 *   probe one        exit 0 when it has exactly one id
 *   probe pause      the same check, then sleep until a signal comes
 *   probe fill N     write N lines of 99 characters to standard output
 *
 * Exit 99: the id map, the seccomp filter or the overlay is not as promised, so whatever was
 * timed is no container start. Static: it needs nothing of the image.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OVERLAY 0x794c7630L

static char text[8192];

static const char *slurp(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static unsigned long ids(void) {
    unsigned long sum = 0;
    char *at = (char *)slurp("/proc/self/uid_map");
    while (*at) {
        strtoul(at, &at, 10);
        strtoul(at, &at, 10);
        sum += strtoul(at, &at, 10);
        while (*at == '\n' || *at == ' ') at++;
    }
    return sum;
}

static int contained(int one) {
    struct statfs root;
    unsigned long count = ids();
    if (one ? count != 1 : count < 65536) return 0;
    if (!strstr(slurp("/proc/self/status"), "\nSeccomp:\t2\n")) return 0;
    return statfs("/", &root) == 0 && root.f_type == OVERLAY;
}

static void fill(long lines) {
    char block[100 * 64];
    memset(block, 'x', sizeof block);
    for (int i = 99; i < (int)sizeof block; i += 100) block[i] = '\n';
    while (lines > 0) {
        size_t n = 100 * (size_t)(lines < 64 ? lines : 64), done = 0;
        while (done < n) {
            ssize_t w = write(1, block + done, n - done);
            if (w <= 0) _exit(98);
            done += (size_t)w;
        }
        lines -= 64;
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "fill")) {
        fill(argc > 2 ? atol(argv[2]) : 0);
        return 0;
    }
    if (!contained(!strcmp(what, "one"))) return 99;
    if (!strcmp(what, "pause")) {
        /* pid 1 gets no signal without a handler. */
        sigset_t set;
        int number;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, 0);
        sigwait(&set, &number);
    }
    return 0;
}
