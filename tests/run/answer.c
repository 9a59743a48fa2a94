/* A server that says who asked: `answer tcp 80 udp 80`, "ready" once it listens; and who asks:
 * `answer ask tcp|udp ADDRESS PORT`. It waits for a word first: an old pasta loses the answer of
 * a server that speaks and hangs up at once. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }

static int say(char *to, size_t size, const char *protocol, const struct sockaddr_in6 *from) {
    char text[INET6_ADDRSTRLEN];
    const char *shown = inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof text);
    if (strncmp(shown, "::ffff:", 7) == 0) shown += 7;
    return snprintf(to, size, "%s for %s", protocol, shown);
}

static int ask(char **words) {
    int udp = strcmp(words[0], "udp") == 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    inet_pton(AF_INET, words[1], &to.sin_addr);
    int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (void *)&to, sizeof to) < 0) die("connect");
    if (write(fd, "?", 1) != 1) die("write");
    char answer[128];
    ssize_t n = read(fd, answer, sizeof answer);
    if (n < 0) die("read");
    printf("%.*s\n", (int)n, answer);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "ask") == 0) return ask(argv + 2);
    struct pollfd sockets[64];
    int udp[64], count = 0;
    for (int i = 1; i + 1 < argc && count < 64; i += 2, count++) {
        udp[count] = strcmp(argv[i], "udp") == 0;
        int fd = socket(AF_INET6, udp[count] ? SOCK_DGRAM : SOCK_STREAM, 0), yes = 1;
        struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[i + 1]))};
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (bind(fd, (void *)&at, sizeof at) < 0) die("bind");
        if (!udp[count] && listen(fd, 16) < 0) die("listen");
        sockets[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    puts("ready");
    fflush(stdout);
    while (poll(sockets, count, -1) > 0) {
        for (int i = 0; i < count; i++) {
            if (!(sockets[i].revents & POLLIN)) continue;
            char word[64], answer[128];
            struct sockaddr_in6 from;
            socklen_t size = sizeof from;
            if (udp[i]) {
                if (recvfrom(sockets[i].fd, word, sizeof word, 0, (void *)&from, &size) < 0) continue;
                int n = say(answer, sizeof answer, "udp", &from);
                sendto(sockets[i].fd, answer, n, 0, (void *)&from, size);
                continue;
            }
            int client = accept(sockets[i].fd, (void *)&from, &size);
            if (client < 0) continue;
            if (read(client, word, sizeof word) > 0) {
                int n = say(answer, sizeof answer, "tcp", &from);
                if (write(client, answer, n) == n) (void)!read(client, word, sizeof word);
            }
            close(client);
        }
    }
    return 0;
}
