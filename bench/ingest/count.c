/* Receive datagrams with recvmmsg and do nothing but count them: what the kernel's side of receiving costs.
 *
 *     count BUFFER CPU PORT...
 *
 * One wildcard socket for each PORT, a receive buffer of BUFFER bytes each; CPU: where to run, -1 for anywhere. Prints
 * "ready", counts until standard input has ended and nothing more comes, then prints one line of JSON: received, drops
 * (the kernel's), first and last (when datagrams came, seconds), cpu (seconds used).
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../common/native.h"

#define ROWS 512 /* datagrams a system call, as montra */
#define SLOT 2048
#define EVENTS 512
#define QUIET_MS 100

static int open_port(int port, int buffer) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0)
        die("socket");
    receive_buffer(fd, buffer);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        die("bind");
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: count BUFFER CPU PORT...\n");
        return 2;
    }
    int cpu = atoi(argv[2]), ports = argc - 3;
    pin(cpu);
    int fds[ports + 1], waiting = epoll_create1(0);
    struct epoll_event events[EVENTS];
    fds[ports] = 0; /* standard input */
    for (int i = 0; i <= ports; i++) {
        if (i < ports)
            fds[i] = open_port(atoi(argv[3 + i]), atoi(argv[1]));
        if (epoll_ctl(waiting, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){EPOLLIN, {.fd = fds[i]}}) < 0)
            die("epoll");
    }

    static unsigned char buffer[ROWS][SLOT];
    static struct mmsghdr messages[ROWS];
    static struct iovec parts[ROWS];
    static struct sockaddr_in names[ROWS];
    for (int i = 0; i < ROWS; i++) {
        parts[i] = (struct iovec){buffer[i], SLOT};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }

    printf("ready\n");
    fflush(stdout);
    uint64_t received = 0;
    double first = 0, last = 0, used = cpu_seconds();
    for (int over = 0;;) {
        int ready = epoll_wait(waiting, events, EVENTS, over ? QUIET_MS : -1);
        if (ready < 0 && errno != EINTR)
            die("epoll");
        if (ready == 0)
            break;
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == 0) {
                over = 1;
                epoll_ctl(waiting, EPOLL_CTL_DEL, 0, NULL);
                continue;
            }
            for (int n = ROWS; n == ROWS;) {
                for (int row = 0; row < ROWS; row++)
                    messages[row].msg_hdr.msg_namelen = sizeof names[row];
                n = recvmmsg(events[i].data.fd, messages, ROWS, MSG_DONTWAIT, NULL);
                if (n > 0) {
                    if (!received)
                        first = now();
                    received += n;
                }
            }
            last = now();
        }
    }
    used = cpu_seconds() - used;
    uint64_t drops = 0;
    for (int i = 0; i < ports; i++)
        drops += kernel_drops(fds[i]);
    printf("{\"received\": %llu, \"drops\": %llu, \"first\": %.6f, \"last\": %.6f, \"cpu\": %.6f}\n",
           (unsigned long long)received, (unsigned long long)drops, first, last, used);
    return 0;
}
