/* load.c - loads the filter of a file in fresh processes and prints how many microseconds each
 * seccomp(2) took.
 *
 *   load FILTER TIMES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    static struct sock_filter code[4096];
    int fd = argc == 3 ? open(argv[1], O_RDONLY) : -1;
    long bytes = fd < 0 ? -1 : read(fd, code, sizeof code);
    struct sock_fprog program = {(unsigned short)(bytes / (long)sizeof *code), code};
    if (bytes <= 0) return 2;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (int i = atoi(argv[2]); i > 0; i--) {
        int ends[2];
        double took = -1;
        if (pipe(ends) < 0) return 2;
        if (fork() == 0) {
            double start = now();
            long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
            took = rc == 0 ? now() - start : -1;
            if (write(ends[1], &took, sizeof took) < 0) _exit(1);
            _exit(0);
        }
        if (read(ends[0], &took, sizeof took) != sizeof took || took < 0) return 3;
        close(ends[0]);
        close(ends[1]);
        wait(0);
        printf("%.1f\n", took);
    }
    return 0;
}
