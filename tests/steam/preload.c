/* preload.c - what Steam's LD_PRELOAD stands for: writes the path of every program that loads it
 * to $PRELOAD_LOG. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
    char exe[4096];
    const char *log = getenv("PRELOAD_LOG");
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return;
    if (len > 0) {
        exe[len] = '\n';
        if (write(fd, exe, (size_t)len + 1) < 0) len = 0;
    }
    close(fd);
}
