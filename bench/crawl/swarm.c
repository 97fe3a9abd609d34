/* All nodes of a network in one process: answers find_node, get_peers and ping as real Mainline nodes do (BEP 5).
 *
 *     swarm NETWORK LOG CPU
 *
 * NETWORK: the file that network.py writes. LOG: where to write who was asked when, 12 bytes a query: time in
 * nanoseconds as the kernel took it (64 bits) and number of the node (32 bits), little-endian. CPU: where to run, -1 for
 * anywhere. Prints "ready", answers until standard input ends, then prints one line of counts.
 *
 * One wildcard socket for each port; the address a query was sent to (IP_PKTINFO) tells which node it is for. A node
 * answers with the k contacts nearest to the target among those of its table. Dead nodes do not answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/native.h"

#define K 8
#define CALL 64      /* datagrams a system call */
#define QUERY 512    /* longest query read */
#define ANSWER 512   /* room for a reply: 8 contacts of 26 bytes, and 200 of the rest */
#define BUFFER (16 << 20)

enum { FIND_NODE, GET_PEERS, PING, UNKNOWN };

struct network {
    uint32_t n, base, subnets, port, ports, buckets;
    const int32_t *table; /* [n][buckets][K] */
    const unsigned char (*ids)[20];
    const unsigned char *alive, *layout;
};

struct query {
    int method;
    const unsigned char *target, *transaction;
    size_t transaction_size;
};

struct entry {
    uint64_t time;
    uint32_t node;
} __attribute__((packed));

static struct {
    unsigned long long received, answered, silent, foreign, malformed, failed, dropped, methods[UNKNOWN];
} count;

static struct entry *entries;
static size_t entry_room;

static struct network load(const char *name) {
    struct stat info;
    int fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) < 0)
        die(name);
    const unsigned char *data = mmap(NULL, info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        die(name);
    errno = 0;
    if (info.st_size < 32 || memcmp(data, "swarm 1", 8))
        die(name);
    struct network net;
    memcpy(&net, data + 8, 24);
    size_t table = (size_t)net.n * net.buckets * K * 4;
    if ((size_t)info.st_size != 32 + table + (size_t)net.n * 22)
        die(name);
    net.table = (const int32_t *)(data + 32);
    net.ids = (const unsigned char(*)[20])(data + 32 + table);
    net.alive = data + 32 + table + (size_t)net.n * 20;
    net.layout = net.alive + net.n;
    return net;
}

static int open_port(unsigned port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0)
        die("socket");
    receive_buffer(fd, BUFFER);
    send_buffer(fd, BUFFER);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        die("cannot bind a port of the network");
    return fd;
}

/* Return the contents of the string at *at and move behind it; NULL if there is none. */
static const unsigned char *string(const unsigned char **at, const unsigned char *end, size_t *size) {
    const unsigned char *p = *at;
    size_t n = 0;
    if (p == end || *p < '0' || *p > '9')
        return NULL;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if ((n = n * 10 + *p - '0') > QUERY)
            return NULL;
    if (p == end || *p++ != ':' || n > (size_t)(end - p))
        return NULL;
    *at = p + n;
    *size = n;
    return p;
}

/* Move behind the value at *at; 0 if there is none. */
static int skip(const unsigned char **at, const unsigned char *end, int depth) {
    size_t size;
    if (*at == end || depth > 4)
        return 0;
    if (**at == 'i') {
        while (*at < end && **at != 'e')
            ++*at;
        return (*at)++ < end;
    }
    if (**at == 'd' || **at == 'l') {
        for (++*at; *at < end && **at != 'e';)
            if (!skip(at, end, depth + 1))
                return 0;
        return (*at)++ < end;
    }
    return string(at, end, &size) != NULL;
}

static int same(const unsigned char *text, size_t size, const char *word) {
    return text && size == strlen(word) && memcmp(text, word, size) == 0;
}

/* Read a query; 0 if it is none that we know. */
static int parse(const unsigned char *at, const unsigned char *end, struct query *query) {
    const unsigned char *key, *value;
    size_t size, length;
    int inside = 0, is_query = 0;
    memset(query, 0, sizeof *query);
    query->method = UNKNOWN;
    if (at == end || *at++ != 'd')
        return 0;
    while (at < end) {
        if (*at == 'e') {
            at++;
            if (!inside--)
                break;
            continue;
        }
        if (!(key = string(&at, end, &size)))
            return 0;
        if (!inside && same(key, size, "a") && at < end && *at == 'd') {
            inside = 1;
            at++;
            continue;
        }
        if (at == end || *at < '0' || *at > '9') {
            if (!skip(&at, end, 0))
                return 0;
            continue;
        }
        if (!(value = string(&at, end, &length)))
            return 0;
        if (inside && length == 20 && (same(key, size, "target") || same(key, size, "info_hash")))
            query->target = value;
        else if (!inside && same(key, size, "t")) {
            query->transaction = value;
            query->transaction_size = length;
        } else if (!inside && same(key, size, "y"))
            is_query = same(value, length, "q");
        else if (!inside && same(key, size, "q"))
            query->method = same(value, length, "find_node")   ? FIND_NODE
                            : same(value, length, "get_peers") ? GET_PEERS
                            : same(value, length, "ping")      ? PING
                                                               : UNKNOWN;
    }
    return at == end && inside < 0 && is_query && query->transaction && query->transaction_size <= 32 &&
           query->method != UNKNOWN && (query->target || query->method == PING);
}

static unsigned shared_bits(const unsigned char *a, const unsigned char *b) {
    for (unsigned i = 0; i < 20; i++)
        if (a[i] ^ b[i])
            return i * 8 + __builtin_clz((unsigned)(a[i] ^ b[i])) - 24;
    return 160;
}

/* Add the contacts of buckets [from, to) to the chosen ones, nearest to the target first; at most K stay. */
static int nearest(const struct network *net, const int32_t *table, unsigned from, unsigned to,
                   const unsigned char *target, int32_t *chosen, int n) {
    int begin = n;
    for (const int32_t *at = table + from * K; at < table + to * K; at++) {
        if (*at < 0)
            continue;
        int place = n < K ? n++ : K;
        for (; place > begin; place--) {
            const unsigned char *a = net->ids[*at], *b = net->ids[chosen[place - 1]];
            unsigned i = 0;
            while (i < 20 && a[i] == b[i])
                i++;
            if (i == 20 || (a[i] ^ target[i]) > (b[i] ^ target[i]))
                break;
            if (place < K)
                chosen[place] = chosen[place - 1];
        }
        if (place < K)
            chosen[place] = *at;
    }
    return n;
}

static uint32_t address(const struct network *net, uint32_t node) {
    return net->base + (node % net->subnets << 8) + 1 + node / net->subnets;
}

static int choose(const struct network *net, uint32_t node, const unsigned char *target, int32_t *chosen) {
    const int32_t *table = net->table + (size_t)node * net->buckets * K;
    unsigned bucket = shared_bits(net->ids[node], target);
    if (bucket >= net->buckets)
        bucket = net->buckets - 1;
    /* the bucket that the target falls into is nearest to it, then what lies behind, then the ones before */
    int n = nearest(net, table, bucket, bucket + 1, target, chosen, 0);
    if (n < K)
        n = nearest(net, table, bucket + 1, net->buckets, target, chosen, n);
    while (n < K && bucket-- > 0)
        n = nearest(net, table, bucket, bucket + 1, target, chosen, n);
    return n;
}

static size_t answer(const struct network *net, uint32_t node, const struct query *query, unsigned char *out,
                     const struct sockaddr_in *from) {
    unsigned char *at = out;
    unsigned way = net->layout[node];
    int32_t chosen[K];
#define PUT(text, size) (memcpy(at, text, size), at += (size))
#define SAY(text) PUT(text, sizeof text - 1)
    SAY("d");
    if (way == 0) {
        SAY("2:ip6:");
        PUT(&from->sin_addr, 4);
        PUT(&from->sin_port, 2);
    }
    SAY("1:rd2:id20:");
    PUT(net->ids[node], 20);
    if (query->method != PING) {
        int n = choose(net, node, query->target, chosen);
        at += sprintf((char *)at, "5:nodes%d:", n * 26);
        for (int i = 0; i < n; i++) {
            uint32_t ip = htonl(address(net, chosen[i]));
            uint16_t port = htons(net->port + chosen[i] % net->ports);
            PUT(net->ids[chosen[i]], 20);
            PUT(&ip, 4);
            PUT(&port, 2);
        }
    }
    if (way == 0)
        at += sprintf((char *)at, "1:pi%ue", ntohs(from->sin_port));
    if (query->method == GET_PEERS)
        SAY("5:token8:swarmtok");
    at += sprintf((char *)at, "e1:t%zu:", query->transaction_size);
    PUT(query->transaction, query->transaction_size);
    if (way == 0)
        SAY("1:v4:LT\x02\x11");
    else if (way == 1)
        SAY("1:v4:JC\x01\x02");
    SAY("1:y1:re");
    return at - out;
}

static void note(uint64_t time, uint32_t node) {
    if (count.received > entry_room) {
        entry_room = entry_room ? 2 * entry_room : 1 << 18;
        if (!(entries = realloc(entries, entry_room * sizeof *entries)))
            die("no memory for the log");
    }
    entries[count.received - 1] = (struct entry){time, node};
}

/* Receive what waits at a port, up to one call's worth, and answer it; return how many came. */
static int serve(const struct network *net, int fd, unsigned port) {
    static unsigned char queries[CALL][QUERY], answers[CALL][ANSWER];
    static union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct timespec))];
    } controls[CALL];
    static struct sockaddr_in names[CALL];
    static struct mmsghdr in[CALL], out[CALL];
    static struct iovec in_parts[CALL], out_parts[CALL];
    for (int i = 0; i < CALL; i++) {
        in_parts[i] = (struct iovec){queries[i], QUERY};
        in[i].msg_hdr = (struct msghdr){&names[i], sizeof names[i], &in_parts[i], 1, &controls[i], sizeof controls[i], 0};
    }
    int came = recvmmsg(fd, in, CALL, MSG_DONTWAIT, NULL), sending = 0;
    for (int i = 0; i < came; i++) {
        uint32_t to = 0;
        struct timespec time = {0};
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&in[i].msg_hdr); c; c = CMSG_NXTHDR(&in[i].msg_hdr, c)) {
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
                to = ntohl(((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr.s_addr);
            else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
                memcpy(&time, CMSG_DATA(c), sizeof time);
        }
        uint32_t node = ((to - net->base) >> 8) + ((to & 255) - 1) * net->subnets;
        int known = to >= net->base && node < net->n && address(net, node) == to && net->port + node % net->ports == port;
        struct query query;
        count.received++;
        note(time.tv_sec * 1000000000ull + time.tv_nsec, known ? node : UINT32_MAX);
        if (!known)
            count.foreign++;
        else if (!parse(queries[i], queries[i] + in[i].msg_len, &query))
            count.malformed++;
        else if (!net->alive[node])
            count.silent++;
        else {
            count.methods[query.method]++;
            struct in_pktinfo source = {.ipi_spec_dst.s_addr = htonl(to)};
            struct cmsghdr *c = &controls[sending].header; /* of this datagram or an earlier one: read by now */
            c->cmsg_level = IPPROTO_IP;
            c->cmsg_type = IP_PKTINFO;
            c->cmsg_len = CMSG_LEN(sizeof source);
            memcpy(CMSG_DATA(c), &source, sizeof source);
            out_parts[sending] = (struct iovec){answers[sending], answer(net, node, &query, answers[sending], &names[i])};
            out[sending].msg_hdr = (struct msghdr){&names[i], sizeof names[i], &out_parts[sending], 1, c,
                                                   CMSG_SPACE(sizeof source), 0};
            sending++;
        }
    }
    for (int at = 0; at < sending;) {
        int done = sendmmsg(fd, out + at, sending - at, 0);
        if (done > 0) {
            at += done;
            count.answered += done;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 100);
        } else {
            at++;
            count.failed++;
        }
    }
    return came;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: swarm NETWORK LOG CPU\n");
        return 2;
    }
    struct network net = load(argv[1]);
    pin(atoi(argv[3]));
    struct pollfd polls[net.ports + 1];
    for (unsigned i = 0; i < net.ports; i++)
        polls[i] = (struct pollfd){open_port(net.port + i), POLLIN, 0};
    polls[net.ports] = (struct pollfd){0, POLLIN, 0};
    puts("ready");
    fflush(stdout);
    for (int over = 0; !over;) {
        poll(polls, net.ports + 1, -1);
        over = polls[net.ports].revents != 0; /* nothing is ever written to us: the input has ended */
        for (unsigned i = 0; i < net.ports; i++)
            while ((polls[i].revents || over) && serve(&net, polls[i].fd, net.port + i) == CALL)
                ;
    }
    for (unsigned i = 0; i < net.ports; i++)
        count.dropped += kernel_drops(polls[i].fd);
    FILE *log = fopen(argv[2], "wb");
    if (!log || fwrite(entries, sizeof *entries, count.received, log) != count.received || fclose(log))
        die(argv[2]);
    printf("{\"received\": %llu, \"answered\": %llu, \"silent\": %llu, \"foreign\": %llu, \"malformed\": %llu, "
           "\"failed\": %llu, \"dropped\": %llu, \"find_node\": %llu, \"get_peers\": %llu, \"ping\": %llu, "
           "\"cpu\": %.6f}\n",
           count.received, count.answered, count.silent, count.foreign, count.malformed, count.failed, count.dropped,
           count.methods[FIND_NODE], count.methods[GET_PEERS], count.methods[PING],
           cpu_seconds());
    return 0;
}
