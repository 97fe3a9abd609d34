/* Send the datagrams of a file over and over, at some rate or as fast as one CPU can, for some seconds.
 *
 * One CPU sends less than the other receives if each datagram makes the whole way through the stack by itself. So
 * neighbours in the file of one length to one address are handed to the kernel as one piece that it cuts up at the far
 * end (UDP_SEGMENT, Linux 4.18); the receiver gets, and the kernel drops, single datagrams all the same.
 *
 *     blast FILE SECONDS RATE CPU SOURCE...
 *
 * FILE: records of destination (IPv4 address and port in network order), length (16 bits, little-endian), payload.
 * RATE: datagrams a second, evenly, each on its own; 0 is as fast as can be. CPU: where to run, -1 for anywhere. SOURCE: addresses to send from, one socket each, taken in turn for each call.
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

union control { /* room and alignment of one control message */
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(uint16_t))];
};

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

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("cannot pin");
}

static size_t payload(const unsigned char *record) { return record[6] | record[7] << 8; }

/* Return the messages for the records of a file, up to `most` records a message. */
static struct mmsghdr *prepare(unsigned char *data, size_t size, size_t most, size_t *pieces) {
    size_t n = 0;
    for (size_t at = 0; at + 8 <= size; at += 8 + payload(data + at))
        n++;
    struct mmsghdr *messages = calloc(n, sizeof *messages);
    struct iovec *parts = calloc(n, sizeof *parts);
    struct sockaddr_in *names = calloc(n, sizeof *names);
    union control *controls = calloc(n, sizeof *controls);
    if (!n || !messages || !parts || !names || !controls)
        die("no datagrams");
    unsigned char *record = data, *before = NULL;
    *pieces = 0;
    for (size_t i = 0; i < n; record += 8 + parts[i++].iov_len) {
        parts[i] = (struct iovec){record + 8, payload(record)};
        if (before && memcmp(before, record, 8) == 0 && messages[*pieces - 1].msg_hdr.msg_iovlen < most) {
            messages[*pieces - 1].msg_hdr.msg_iovlen++;
            continue;
        }
        before = record;
        uint16_t segment = parts[i].iov_len;
        union control *control = &controls[*pieces];
        control->header = (struct cmsghdr){CMSG_LEN(sizeof segment), IPPROTO_UDP, UDP_SEGMENT};
        memcpy(CMSG_DATA(&control->header), &segment, sizeof segment);
        struct sockaddr_in *name = &names[*pieces];
        name->sin_family = AF_INET;
        memcpy(&name->sin_addr, record, 4);
        memcpy(&name->sin_port, record + 4, 2);
        messages[*pieces].msg_hdr = (struct msghdr){
            .msg_name = name,
            .msg_namelen = sizeof *name,
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof *control,
        };
        ++*pieces;
    }
    return messages;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: blast FILE SECONDS RATE CPU SOURCE...\n");
        return 2;
    }
    double seconds = atof(argv[2]), rate = atof(argv[3]);
    int cpu = atoi(argv[4]), sources = argc - 5, fds[sources];
    if (cpu >= 0)
        pin(cpu);
    for (int i = 0; i < sources; i++)
        fds[i] = open_source(argv[5 + i]);
    size_t size, pieces;
    unsigned char *data = load(argv[1], &size);
    struct mmsghdr *messages = prepare(data, size, rate > 0 ? 1 : PIECE, &pieces);

    uint64_t sent = 0, failed = 0;
    int error = 0;
    double begin = now(), at = begin;
    for (size_t i = 0, turn = 0; at < begin + seconds; turn++, at = now()) {
        size_t count = pieces - i < CALL ? pieces - i : CALL;
        if (rate > 0) { /* one at a time, when its time has come */
            if (sent + failed >= (at - begin) * rate) {
                nanosleep(&(struct timespec){0, 20000}, NULL);
                continue;
            }
            count = 1;
        }
        int done = sendmmsg(fds[turn % sources], messages + i, count, 0);
        if (done <= 0) { /* refused is the first of the call; go on behind it */
            error = errno;
            failed += messages[i++].msg_hdr.msg_iovlen;
        }
        for (; done > 0; done--)
            sent += messages[i++].msg_hdr.msg_iovlen;
        if (i == pieces)
            i = 0;
    }
    if (failed)
        fprintf(stderr, "blast: %llu not sent: %s\n", (unsigned long long)failed, strerror(error));
    printf("{\"sent\": %llu, \"failed\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
           (unsigned long long)failed, at - begin);
    return 0;
}
