/* reaper.c - stands in for Steam's reaper: `reaper SteamLaunch AppId=N -- COMMAND…` runs the
 * command as a child, is the subreaper of all that comes from it, and ends when the last of them
 * has ended, with the command's own exit code (128+n for signal n). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int at = 1, status = 0, code = 125;
    while (at < argc && strcmp(argv[at], "--") != 0) at++;
    if (at + 1 >= argc) return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[at + 1], argv + at + 1);
        _exit(127);
    }
    for (;;) {
        pid_t pid = wait(&status);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return code;
        if (pid == child) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
