/* measure.c - runs commands one at a time and says what each cost. It is small, so that what is
 * timed is the command and not the copying of a big parent.
 *
 * A request is one line on standard input: fields apart by 0x1f, the line ended by newline:
 *   mode  output-file  error-file  argv0  argv1 ...
 * mode `w`: the command, then whatever it left behind and which ends within two seconds, is waited for;
 * mode `d`: only the command itself. The answer is one line:
 *   status wall_ns cpu_us maxrss_kib
 * wall is spawn to end of the command itself; cpu is the command's and that of all its
 * descendants that had ended by then (we are their subreaper, so none escapes). status is 128+n
 * for signal n, 255 when it could not be spawned.
 *
 * MEASURE_FD9 names a file that commands get as descriptor 9; MEASURE_NNP sets no_new_privs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* What has ended already does not count for the command that comes. */
static void reap(void) {
    while (waitpid(-1, 0, WNOHANG) > 0) {}
}

static void drain(void) {
    long long end = now() + 2000000000LL;
    for (;;) {
        pid_t pid = waitpid(-1, 0, WNOHANG);
        if (pid < 0 || (pid == 0 && now() > end)) return;
        if (pid == 0) poll(0, 0, 1);
    }
}

int main(void) {
    char *line = 0;
    size_t size = 0;
    const char *nine = getenv("MEASURE_FD9");
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (getenv("MEASURE_NNP")) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    while (getline(&line, &size, stdin) > 0) {
        char *argv[256];
        int n = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *field = line; field && n < 255; n++) {
            argv[n] = field;
            field = strchr(field, 0x1f);
            if (field) *field++ = 0;
        }
        argv[n] = 0;
        if (n < 4) return 2;
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, 1, argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
        posix_spawn_file_actions_addopen(&files, 2, argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (nine) posix_spawn_file_actions_addopen(&files, 9, nine, O_RDONLY, 0);
        reap();
        struct rusage own = {0};
        long long before = cpu(), start = now(), wall;
        int status = 0;
        pid_t pid;
        if (posix_spawnp(&pid, argv[3], &files, 0, argv + 3, environ) != 0) {
            status = 255 << 8;
            wall = now() - start;
        } else {
            while (wait4(pid, &status, 0, &own) < 0) {}
            wall = now() - start;
            if (argv[0][0] == 'w') drain();
        }
        posix_spawn_file_actions_destroy(&files);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        printf("%d %lld %lld %ld\n", code, wall, cpu() - before, own.ru_maxrss);
        fflush(stdout);
    }
    return 0;
}
