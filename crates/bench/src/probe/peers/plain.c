/* The plainest reflector there is: what comes in goes back, unlooked at.
 * plain PORT one: recvfrom and sendto. plain PORT batch: recvmmsg and sendmmsg of up to 64. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, OCTETS = 2048 };

static char octets[BATCH][OCTETS];
static struct sockaddr_in from[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static void one(int fd) {
    for (;;) {
        socklen_t length = sizeof from[0];
        ssize_t count = recvfrom(fd, octets[0], OCTETS, 0, (struct sockaddr *)&from[0], &length);
        if (count >= 0)
            sendto(fd, octets[0], (size_t)count, 0, (struct sockaddr *)&from[0], length);
    }
}

static void batch(int fd) {
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            pieces[i] = (struct iovec){.iov_base = octets[i], .iov_len = OCTETS};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                                  .msg_namelen = sizeof from[i],
                                                  .msg_iov = &pieces[i],
                                                  .msg_iovlen = 1};
        }
        int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < count; i++)
            pieces[i].iov_len = messages[i].msg_len;
        for (int sent = 0; sent < count;) {
            int more = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
            sent += more > 0 ? more : 1;
        }
    }
}

int main(int argc, char **argv) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 3)
        return 2;
    here.sin_port = htons((unsigned short)atoi(argv[1]));
    if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) {
        perror("bind");
        return 1;
    }
    if (strcmp(argv[2], "batch") == 0)
        batch(fd);
    one(fd);
}
