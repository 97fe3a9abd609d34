/* The targets of a fleet, all in one process: they answer as libtorrent does, query their monitors, and keep watch.
 *
 *     targets IDS N BASE PORT PORTS MONITORS MONITOR_PORT MONITOR_PORTS CRAWLER STRANGER ASKS STRANGE LIMIT_MS CPU
 *
 * IDS: file of N node IDs of 20 bytes. Target i is at IP BASE + i / PORTS and port PORT + i % PORTS; all are local to this
 * host, and one wildcard socket for each port serves them (IP_PKTINFO). MONITORS: the first IP that monitors may have, from
 * there on, each with MONITOR_PORTS ports from MONITOR_PORT on. CRAWLER: IP:PORT that asks for views. STRANGER: IP:PORT from
 * which queries go to the monitors that deserve no answer. ASKS, STRANGE: queries a second by the targets to their own
 * monitors, and by the stranger. LIMIT_MS: a target that hears nothing for longer counts as overdue. CPU: where to run, -1 for
 * anywhere.
 *
 * Prints "ready"; a line on standard input ends the queries, its end the program, which prints one line of counts:
 * received = find_node + ping + views + answers + refused; "shared_pair", "wrong_id", "wrong_source" and the like must
 * be 0. A target names the asking monitor from its second query on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/native.h"

#define CALL 64
#define SLOT 512
#define BUFFER (32 << 20)
#define BINS 100000 /* of 10 ms for intervals, of 1 ms for round trips */
#define ANSWER_MS 2000
#define ADDRESSES 65536 /* of monitors at most */

struct target { /* times in ms since the start, 0 = never */
    uint32_t monitor_ip, heard_ms, asked_ms;
    uint16_t monitor_port;
    uint8_t queries, waiting;
};

struct endpoint {
    uint32_t ip;
    uint16_t port;
};

struct out { /* what one socket sends next */
    int fd, n;
    struct mmsghdr messages[CALL];
    struct iovec parts[CALL];
    struct sockaddr_in names[CALL];
    char slots[CALL][SLOT];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } controls[CALL];
};

static const unsigned char (*ids)[20];
static struct target *targets;
static uint32_t *owners; /* target + 1 of each monitor pair */
static uint32_t n, base, port, ports, monitors, monitor_port, monitor_ports, limit_ms, introduced, overdue;
static struct endpoint crawler, stranger;
static struct out *outs; /* one for each port, and the stranger's */
static uint32_t *intervals, *round_trips;
static uint64_t start_ns, second_ms;
static struct {
    unsigned long long received, find_node, ping, views, answers, refused, sent, failed, malformed, unknown_target, wrong_id,
        wrong_source, shared_pair, outside_plan, asked, lookups_asked, answered, answer_wrong_id, answer_wrong_source,
        answer_unasked, strange, strange_lookups, strange_answers;
} count;

static uint32_t now_ms(void) { return (now_ns() - start_ns) / 1000000 + 1; }

static struct endpoint parse_endpoint(const char *text) {
    char host[64];
    unsigned number;
    if (sscanf(text, "%63[0-9.]:%u", host, &number) != 2)
        die(text);
    return (struct endpoint){ntohl(inet_addr(host)), number};
}

static int open_socket(uint32_t ip, uint16_t at) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(at), .sin_addr.s_addr = htonl(ip)};
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) < 0)
        die("socket");
    receive_buffer(fd, BUFFER);
    send_buffer(fd, BUFFER);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        die("bind");
    return fd;
}

static void flush(struct out *out) {
    for (int at = 0; at < out->n;) {
        int done = sendmmsg(out->fd, out->messages + at, out->n - at, 0);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd wait = {out->fd, POLLOUT, 0};
            poll(&wait, 1, 10);
        } else if (done < 0) {
            count.failed++;
            at++;
        } else {
            count.sent += done;
            at += done;
        }
    }
    out->n = 0;
}

/* Return room for a datagram from one address to another; `size` is set by finish. */
static char *begin(struct out *out, uint32_t from, uint32_t ip, uint16_t to) {
    if (out->n == CALL)
        flush(out);
    int i = out->n;
    out->names[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(to), .sin_addr.s_addr = htonl(ip)};
    out->parts[i].iov_base = out->slots[i];
    struct cmsghdr *control = &out->controls[i].header;
    *control = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(from)};
    memcpy(CMSG_DATA(control), &info, sizeof info);
    out->messages[i].msg_hdr = (struct msghdr){.msg_name = &out->names[i],
                                               .msg_namelen = sizeof out->names[i],
                                               .msg_iov = &out->parts[i],
                                               .msg_iovlen = 1,
                                               .msg_control = control,
                                               .msg_controllen = sizeof out->controls[i].room};
    return out->slots[i];
}

static void finish(struct out *out, char *end) {
    out->parts[out->n].iov_len = end - out->slots[out->n];
    out->n++;
}

static char *put(char *at, const void *data, size_t size) {
    memcpy(at, data, size);
    return at + size;
}
#define TEXT(at, literal) put(at, literal, sizeof literal - 1)

static const unsigned char *after(const unsigned char *data, size_t size, const char *mark, size_t length) {
    const unsigned char *found = memmem(data, size, mark, length);
    return found ? found + length : NULL;
}
#define AFTER(data, size, literal) after(data, size, literal, sizeof literal - 1)

static char *put_monitor(char *at, uint32_t i) {
    unsigned char beside[20];
    memcpy(beside, ids[i], 20);
    beside[19] ^= 1;
    uint32_t ip = htonl(targets[i].monitor_ip);
    uint16_t to = htons(targets[i].monitor_port);
    return put(put(put(at, beside, 20), &ip, 4), &to, 2);
}

/* Take in a query of target i's monitor, or of somebody who says so. */
static void meet(uint32_t i, uint32_t ip, uint16_t from, int is_ping) {
    struct target *target = &targets[i];
    uint32_t ms = now_ms(), offset = ip - monitors, pair = offset * monitor_ports + (from - monitor_port);
    if (offset >= ADDRESSES || from < monitor_port || from >= monitor_port + monitor_ports) {
        count.outside_plan++;
        return;
    }
    if (!target->queries) {
        target->monitor_ip = ip;
        target->monitor_port = from;
        count.shared_pair += owners[pair] != 0;
        owners[pair] = i + 1;
    } else if (target->monitor_ip != ip || target->monitor_port != from) {
        count.wrong_source++;
        return;
    }
    if (target->queries < 255)
        target->queries++;
    if (target->queries == 2) {
        introduced++;
        second_ms = ms;
    }
    if (is_ping && target->heard_ms) {
        uint32_t bin = (ms - target->heard_ms) / 10;
        intervals[bin < BINS ? bin : BINS - 1]++;
    }
    target->heard_ms = ms;
}

static void query(struct out *out, uint32_t i, const unsigned char *data, size_t size, uint32_t ip, uint16_t from) {
    /* IDs may hold any bytes: they are passed over before anything is looked for */
    const unsigned char *sender = AFTER(data, size, "2:id20:"), *end = data + size, *rest = sender + 20;
    if (sender && rest + 31 < end && memcmp(rest, "6:target20:", 11) == 0)
        rest += 31;
    const unsigned char *method = sender && rest < end ? AFTER(rest, end - rest, "1:q") : NULL;
    const unsigned char *transaction = method ? AFTER(method, end - method, "1:t") : NULL;
    if (!transaction || transaction + 6 > end || method + 6 > end || transaction[0] != '4') {
        count.malformed++;
        return;
    }
    int is_ping = memcmp(method, "4:ping", 6) == 0, view = ip == crawler.ip && from == crawler.port;
    if (view) {
        count.views++;
    } else {
        count.ping += is_ping;
        count.find_node += !is_ping;
        if (memcmp(sender, ids[i], 19) || (sender[19] ^ 1) != ids[i][19]) {
            count.wrong_id++;
            return;
        }
        meet(i, ip, from, is_ping);
    }
    char *at = begin(out, base + i / ports, ip, from);
    at = put(TEXT(at, "d1:rd2:id20:"), ids[i], 20);
    if (!is_ping && targets[i].queries >= 2)
        at = put_monitor(TEXT(at, "5:nodes26:"), i);
    else if (!is_ping)
        at = TEXT(at, "5:nodes0:");
    at = put(TEXT(at, "e1:t"), transaction, 6);
    finish(out, TEXT(at, "1:v4:LT\x02\x08" "1:y1:re"));
}

static void answer(uint32_t i, const unsigned char *data, size_t size, uint32_t ip, uint16_t from) {
    const unsigned char *sender = AFTER(data, size, "2:id20:");
    struct target *target = &targets[i];
    count.answers++;
    if (!target->waiting)
        count.answer_unasked++;
    else if (ip != target->monitor_ip || from != target->monitor_port)
        count.answer_wrong_source++;
    else if (!sender || sender + 20 > data + size || memcmp(sender, ids[i], 19) || (sender[19] ^ 1) != ids[i][19])
        count.answer_wrong_id++;
    else {
        uint32_t bin = now_ms() - target->asked_ms;
        round_trips[bin < BINS ? bin : BINS - 1]++;
        count.answered++;
    }
    target->waiting = 0;
}

/* Read all that waits at one of the sockets. */
static void receive(struct out *out, uint32_t which) {
    static struct mmsghdr messages[CALL];
    static struct iovec parts[CALL];
    static struct sockaddr_in names[CALL];
    static char slots[CALL][SLOT], controls[CALL][256];
    for (;;) {
        for (int i = 0; i < CALL; i++) {
            parts[i] = (struct iovec){slots[i], SLOT};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
                                                  .msg_namelen = sizeof names[i],
                                                  .msg_iov = &parts[i],
                                                  .msg_iovlen = 1,
                                                  .msg_control = controls[i],
                                                  .msg_controllen = sizeof controls[i]};
        }
        int got = recvmmsg(out->fd, messages, CALL, 0, NULL);
        if (got <= 0)
            return;
        for (int i = 0; i < got; i++) {
            count.received++;
            if (which == ports) {
                count.strange_answers++;
                continue;
            }
            struct cmsghdr *control = CMSG_FIRSTHDR(&messages[i].msg_hdr);
            struct in_pktinfo *info = control ? (struct in_pktinfo *)CMSG_DATA(control) : NULL;
            uint32_t to = info ? ntohl(info->ipi_addr.s_addr) : 0, number = (to - base) * ports + which;
            size_t size = messages[i].msg_len;
            if (to < base || number >= n) {
                count.unknown_target++;
                continue;
            }
            const unsigned char *data = (unsigned char *)slots[i], kind = size > 1 ? data[size - 2] : 0; /* "1:y1:qe" */
            uint32_t ip = ntohl(names[i].sin_addr.s_addr);
            uint16_t from = ntohs(names[i].sin_port);
            if (kind == 'q')
                query(out, number, data, size, ip, from);
            else if (kind == 'r')
                answer(number, data, size, ip, from);
            else
                count.refused++;
        }
        flush(out);
        if (got < CALL)
            return;
    }
}

/* Write a query: ping, find_node or get_peers in turn; return whether it is a lookup. */
static int write_query(struct out *out, char *at, const unsigned char *sender, const unsigned char *key, unsigned turn) {
    at = put(TEXT(at, "d1:ad2:id20:"), sender, 20);
    if (turn % 3 == 0)
        at = TEXT(at, "e1:q4:ping");
    else if (turn % 3 == 1)
        at = TEXT(put(TEXT(at, "6:target20:"), key, 20), "e1:q9:find_node");
    else
        at = TEXT(put(TEXT(at, "9:info_hash20:"), key, 20), "e1:q9:get_peers");
    finish(out, TEXT(at, "1:t2:aa1:v4:LT\x02\x08" "1:y1:qe"));
    return turn % 3 != 0;
}

/* Let the next introduced target that awaits no answer ask its monitor; or the stranger ask it. */
static void ask(uint32_t *next, unsigned *turn, int strange) {
    for (uint32_t tried = 0; tried < n && tried < 100000; tried++) {
        uint32_t i = (*next)++ % n;
        struct target *target = &targets[i];
        if (target->queries < 2 || (!strange && target->waiting))
            continue;
        struct out *out = &outs[strange ? ports : i % ports];
        char *at = begin(out, strange ? stranger.ip : base + i / ports, target->monitor_ip, target->monitor_port);
        unsigned char sender[20];
        memcpy(sender, ids[i], 20);
        sender[0] ^= strange ? 0x80 : 0; /* the stranger's own ID is far away */
        int lookup = write_query(out, at, sender, ids[i], (*turn)++);
        if (strange) {
            count.strange++;
            count.strange_lookups += lookup;
        } else {
            target->waiting = 1;
            target->asked_ms = now_ms();
            count.asked++;
            count.lookups_asked += lookup;
        }
        return;
    }
}

static unsigned long long dropped(void) {
    unsigned long long sum = 0;
    for (uint32_t i = 0; i <= ports; i++)
        sum += kernel_drops(outs[i].fd);
    return sum;
}

/* Return the bin that this share of the counts does not exceed. */
static uint32_t quantile(const uint32_t *bins, double share) {
    unsigned long long sum = 0, upto = 0;
    for (uint32_t i = 0; i < BINS; i++)
        sum += bins[i];
    for (uint32_t i = 0; i < BINS; i++)
        if ((upto += bins[i]) >= share * sum && upto)
            return i;
    return 0;
}

/* Count who hears nothing for too long at the moment. */
static void look_for_overdue(void) {
    uint32_t ms = now_ms();
    overdue = 0;
    for (uint32_t i = 0; i < n; i++)
        overdue += targets[i].queries >= 2 && ms - targets[i].heard_ms > limit_ms;
}

static void report(void) {
    uint32_t ms = now_ms(), unanswered = 0, over = 0;
    for (uint32_t i = 0; i < n; i++)
        unanswered += targets[i].waiting && ms - targets[i].asked_ms > ANSWER_MS;
    unsigned long long kept = 0;
    for (uint32_t i = 0; i < BINS; i++) {
        kept += intervals[i];
        over += i * 10 > limit_ms ? intervals[i] : 0;
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
#define SHOW(name) printf("\"" #name "\": %llu, ", count.name)
    printf("{");
    SHOW(received), SHOW(find_node), SHOW(ping), SHOW(views), SHOW(answers), SHOW(refused), SHOW(sent), SHOW(failed);
    SHOW(malformed), SHOW(unknown_target), SHOW(wrong_id), SHOW(wrong_source), SHOW(shared_pair), SHOW(outside_plan);
    SHOW(asked), SHOW(lookups_asked), SHOW(answered), SHOW(answer_wrong_id), SHOW(answer_wrong_source), SHOW(answer_unasked);
    SHOW(strange), SHOW(strange_lookups), SHOW(strange_answers);
    printf("\"dropped\": %llu, \"introduced\": %u, \"introduced_s\": %.3f, \"intervals\": %llu, ", dropped(), introduced,
           second_ms / 1e3, kept);
    printf("\"interval_p50_s\": %.2f, \"interval_p999_s\": %.2f, \"interval_max_s\": %.2f, \"intervals_over\": %u, ",
           quantile(intervals, 0.5) / 100.0, quantile(intervals, 0.999) / 100.0, quantile(intervals, 1) / 100.0, over);
    printf("\"overdue\": %u, \"unanswered\": %u, \"answer_p50_ms\": %u, \"answer_p999_ms\": %u, \"answer_max_ms\": %u, ", overdue,
           unanswered, quantile(round_trips, 0.5), quantile(round_trips, 0.999), quantile(round_trips, 1));
    printf("\"rss\": %ld, \"cpu\": %.3f}\n", use.ru_maxrss * 1024, cpu_seconds());
}

int main(int argc, char **argv) {
    if (argc != 15) {
        fprintf(stderr, "usage: targets IDS N BASE PORT PORTS MONITORS MONITOR_PORT MONITOR_PORTS CRAWLER STRANGER ASKS "
                        "STRANGE LIMIT_MS CPU\n");
        return 2;
    }
    n = atoi(argv[2]), base = ntohl(inet_addr(argv[3])), port = atoi(argv[4]), ports = atoi(argv[5]);
    monitors = ntohl(inet_addr(argv[6])), monitor_port = atoi(argv[7]), monitor_ports = atoi(argv[8]);
    crawler = parse_endpoint(argv[9]), stranger = parse_endpoint(argv[10]);
    double asks = atof(argv[11]), strange = atof(argv[12]);
    limit_ms = atoi(argv[13]);
    pin(atoi(argv[14]));
    int file = open(argv[1], O_RDONLY);
    ids = mmap(NULL, (size_t)n * 20, PROT_READ, MAP_SHARED, file, 0);
    targets = calloc(n, sizeof *targets);
    owners = calloc((size_t)monitor_ports * ADDRESSES, sizeof *owners);
    intervals = calloc(BINS, sizeof *intervals), round_trips = calloc(BINS, sizeof *round_trips);
    outs = calloc(ports + 1, sizeof *outs);
    if (file < 0 || ids == MAP_FAILED || !targets || !owners || !intervals || !round_trips || !outs)
        die(argv[1]);
    struct pollfd waits[ports + 2];
    for (uint32_t i = 0; i <= ports; i++) {
        outs[i].fd = i < ports ? open_socket(0, port + i) : open_socket(stranger.ip, stranger.port);
        waits[i] = (struct pollfd){outs[i].fd, POLLIN, 0};
    }
    waits[ports + 1] = (struct pollfd){0, POLLIN, 0};
    start_ns = now_ns();
    puts("ready");
    fflush(stdout);

    uint32_t next = 0, next_strange = 0;
    unsigned turn = 0, turn_strange = 0;
    double due = 0, due_strange = 0;
    uint64_t before = now_ns();
    for (;;) {
        poll(waits, ports + 2, asks + strange > 0 ? 2 : 1000);
        for (uint32_t i = 0; i <= ports; i++)
            if (waits[i].revents & POLLIN)
                receive(&outs[i], i);
        if (waits[ports + 1].revents) {
            char line[64];
            if (read(0, line, sizeof line) <= 0)
                break;
            asks = strange = due = due_strange = 0;
            look_for_overdue(); /* the monitors still live; soon they are ended */
        }
        uint64_t now = now_ns();
        double passed = (now - before) / 1e9;
        before = now;
        /* in small steps: what is missed in a stall is not made up for in one burst */
        due += asks * (passed < 0.1 ? passed : 0.1), due_strange += strange * (passed < 0.1 ? passed : 0.1);
        for (; due >= 1; due--)
            ask(&next, &turn, 0);
        for (; due_strange >= 1; due_strange--)
            ask(&next_strange, &turn_strange, 1);
        for (uint32_t i = 0; i <= ports; i++)
            flush(&outs[i]);
    }
    report();
    return 0;
}
