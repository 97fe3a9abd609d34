/* Send the datagrams of a file over and over, as fast as one CPU can, for some seconds.
 *
 * One CPU sends less than the other receives if each datagram makes the whole way through the stack by itself. So
 * neighbours in the file of one length to one address are handed to the kernel as one piece that it cuts up at the far
 * end (UDP_SEGMENT, Linux 4.18); the receiver gets, and the kernel drops, single datagrams all the same.
 *
 *     blast FILE SECONDS CPU SOURCE...
 *
 * FILE: records of destination (IPv4 address and port in network order), length (16 bits, little-endian), payload.
 * CPU: where to run, -1 for anywhere. SOURCE: addresses to send from, one socket each, taken in turn for each call.
 * Prints {"sent": ..., "failed": ..., "seconds": ...}; failed are datagrams that sendmmsg refused.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CALL 64 /* pieces a system call */
#define PIECE 32 /* datagrams a piece at most */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct control {
    struct cmsghdr header;
    uint16_t size;
} __attribute__((aligned(CMSG_ALIGN(1))));

static void die(const char *what) {
    fprintf(stderr, "blast: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned char *load(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) < 0)
        die(name);
    *size = info.st_size;
    unsigned char *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size)
        die(name);
    fclose(file);
    return data;
}

static int open_source(const char *address) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        die(address);
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: blast FILE SECONDS CPU SOURCE...\n");
        return 2;
    }
    int cpu = atoi(argv[3]), sources = argc - 4, fds[sources];
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0)
            die("cannot pin");
    }
    for (int i = 0; i < sources; i++)
        fds[i] = open_source(argv[4 + i]);

    size_t size, n = 0, pieces = 0;
    unsigned char *data = load(argv[1], &size), *before = NULL;
    for (size_t at = 0; at + 8 <= size; at += 8 + (data[at + 6] | data[at + 7] << 8))
        n++;
    struct mmsghdr *messages = calloc(n, sizeof *messages);
    struct iovec *parts = calloc(n, sizeof *parts);
    struct sockaddr_in *names = calloc(n, sizeof *names);
    struct control *controls = calloc(n, sizeof *controls);
    if (!n || !messages || !parts || !names || !controls)
        die("no datagrams");
    for (size_t i = 0, at = 0; i < n; at += 8 + parts[i++].iov_len) {
        parts[i].iov_base = data + at + 8;
        parts[i].iov_len = data[at + 6] | data[at + 7] << 8;
        if (before && memcmp(before, data + at, 8) == 0 && messages[pieces - 1].msg_hdr.msg_iovlen < PIECE) {
            messages[pieces - 1].msg_hdr.msg_iovlen++;
            continue;
        }
        before = data + at;
        names[pieces].sin_family = AF_INET;
        memcpy(&names[pieces].sin_addr, data + at, 4);
        memcpy(&names[pieces].sin_port, data + at + 4, 2);
        controls[pieces] = (struct control){{CMSG_LEN(2), IPPROTO_UDP, UDP_SEGMENT}, parts[i].iov_len};
        messages[pieces].msg_hdr = (struct msghdr){
            .msg_name = &names[pieces],
            .msg_namelen = sizeof names[pieces],
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
            .msg_control = &controls[pieces],
            .msg_controllen = CMSG_SPACE(2),
        };
        pieces++;
    }

    uint64_t sent = 0, failed = 0;
    double begin = now(), end = begin + atof(argv[2]), at = begin;
    for (size_t i = 0, turn = 0; at < end; turn++, at = now()) {
        size_t count = pieces - i < CALL ? pieces - i : CALL;
        int done = sendmmsg(fds[turn % sources], messages + i, count, 0);
        if (done <= 0) { /* refused is the first of the call; go on behind it */
            failed += messages[i++].msg_hdr.msg_iovlen;
            fprintf(stderr, "%s\n", strerror(errno));
        }
        for (; done > 0; done--)
            sent += messages[i++].msg_hdr.msg_iovlen;
        if (i == pieces)
            i = 0;
    }
    printf("{\"sent\": %llu, \"failed\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
           (unsigned long long)failed, at - begin);
    return 0;
}
