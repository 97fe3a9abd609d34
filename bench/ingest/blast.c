/* Send the datagrams of a file over and over, at some rate or as fast as one CPU can.
 *
 *     blast FILE LOOKUPS RATE CPU
 *
 * FILE: records of 16 bytes and a payload, see traffic.py: destination (IPv4 address and port in network order), length
 * (uint16), number of the lookup (uint32, all ones for none), where in the payload its requester ID and its key begin
 * (one byte each), two bytes of nothing; integers little-endian. LOOKUPS: how many lookups the file has. RATE: datagrams
 * a second, evenly; 0 is as fast as can be. CPU: where to run, -1 for anywhere. Each line of standard input is a number
 * of datagrams to send now, going on where the last stopped; a line of JSON answers it: sent (in all), seconds (this
 * time) and cpu (seconds used in all). Each datagram is sent on its own.
 *
 * Each pass through the file has requesters and keys of its own: pass * LOOKUPS + lookup, scrambled one to one, makes
 * the requester ID and all of the key but its first four bytes, and chooses the requester's address (127.151.0.0/17)
 * and port. So no datagram that matters is sent twice, all copies of a lookup agree, and a reader can tell from a stored
 * capture alone which datagram it was (fresh.py).
 */
#define _GNU_SOURCE
#include <endian.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/native.h"

#define HEADER 16
#define PORTS 64 /* from which requesters send */
#define FIRST_SOURCE 0x7f970000u /* 127.151.0.0 */
#define SOURCE_MASK 0x7fffu
#define NO_LOOKUP 0xffffffffu
#define KEPT 4 /* bytes of the key that stay: they decide which monitors are nearest */
#define ID_BYTES 20
#define SALT 0x9e3779b97f4a7c15u

struct record {
    struct sockaddr_in to;
    struct iovec payload;
    unsigned char *id, *key; /* NULL for none */
    uint32_t lookup;
};

static uint64_t scramble(uint64_t z) { /* the finaliser of splitmix64: one to one */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
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

static struct record *parse(unsigned char *data, size_t size, size_t *count) {
    size_t room = 1024;
    struct record *records = malloc(room * sizeof *records);
    *count = 0;
    for (unsigned char *at = data; at + HEADER <= data + size; ++*count) {
        if (*count == room)
            records = realloc(records, (room *= 2) * sizeof *records);
        if (!records)
            die("memory");
        struct record *record = &records[*count];
        unsigned char *payload = at + HEADER;
        uint16_t length;
        *record = (struct record){.to.sin_family = AF_INET};
        memcpy(&record->to.sin_addr, at, 4);
        memcpy(&record->to.sin_port, at + 4, 2);
        memcpy(&length, at + 6, 2);
        memcpy(&record->lookup, at + 8, 4);
        record->payload = (struct iovec){payload, le16toh(length)};
        record->lookup = le32toh(record->lookup);
        if (record->lookup != NO_LOOKUP) {
            record->id = payload + at[12];
            record->key = payload + at[13];
        }
        at = payload + record->payload.iov_len;
    }
    return records;
}

static struct record *records;
static size_t count;
static uint64_t lookups, sent;
static int fds[PORTS];

/* Send one datagram, the next of the file. */
static void send_one(void) {
    static union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.header = {CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO}};
    struct record *record = &records[sent % count];
    uint64_t fresh = scramble(record->id ? sent / count * lookups + record->lookup : sent);
    if (record->id) {
        uint64_t more[4] = {htobe64(fresh)};
        for (int word = 1; word < 4; word++)
            more[word] = htobe64(scramble(fresh ^ word * SALT));
        memcpy(record->id, &more[0], 8);
        memcpy(record->id + 8, &more[1], 8);
        memcpy(record->id + 16, &more[2], ID_BYTES - 16);
        memcpy(record->key + KEPT, &more[2], 8);
        memcpy(record->key + KEPT + 8, &more[3], 8);
    }
    struct in_pktinfo source = {.ipi_spec_dst.s_addr = htonl(FIRST_SOURCE | (fresh & SOURCE_MASK))};
    memcpy(CMSG_DATA(&control.header), &source, sizeof source);
    struct msghdr message = {
        .msg_name = &record->to,
        .msg_namelen = sizeof record->to,
        .msg_iov = &record->payload,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    while (sendmsg(fds[fresh >> 32 & (PORTS - 1)], &message, 0) < 0)
        if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
            die("sendmsg");
    sent++;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: blast FILE LOOKUPS RATE CPU\n");
        return 2;
    }
    lookups = strtoull(argv[2], NULL, 10);
    double rate = atof(argv[3]);
    pin(atoi(argv[4]));
    size_t size;
    unsigned char *data = load(argv[1], &size);
    records = parse(data, size, &count);
    if (!count)
        die("no datagrams");
    for (int s = 0; s < PORTS; s++) {
        struct sockaddr_in any = {.sin_family = AF_INET};
        fds[s] = socket(AF_INET, SOCK_DGRAM, 0);
        if (fds[s] < 0 || bind(fds[s], (struct sockaddr *)&any, sizeof any) < 0)
            die("socket");
    }
    prctl(PR_SET_TIMERSLACK, 1000); /* ns */

    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        uint64_t begun = sent, wanted = sent + strtoull(line, NULL, 10), allowed = rate > 0 ? sent : wanted;
        double begin = now();
        while (sent < wanted) {
            if (sent < allowed) {
                send_one();
                continue;
            }
            allowed = begun + (uint64_t)((now() - begin) * rate);
            if (allowed > wanted)
                allowed = wanted;
            if (sent >= allowed)
                nanosleep(&(struct timespec){0, 20000}, NULL);
        }
        printf("{\"sent\": %llu, \"seconds\": %.6f, \"cpu\": %.6f}\n", (unsigned long long)sent, now() - begin,
               cpu_seconds());
        fflush(stdout);
    }
    return 0;
}
