/* The least that a web server has to ask of the kernel for a request: a share of a wait, one read, one write. What is asked is
 * not looked at but for its length and one letter. floor PORT WORKERS FOUND NOT_MODIFIED NOT_FOUND: files with whole answers. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, INBOX = 32 * 1024, ANSWER = 64 * 1024, CONDITIONAL = 100, ACCEPTS = 64 };
enum { FOUND, NOT_MODIFIED, NOT_FOUND, ANSWERS };

static char answers[ANSWERS][ANSWER];
static size_t lengths[ANSWERS];
static int listener;

static void watch(int epoll, int fd, unsigned events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        exit(1);
}

static void answer(int fd) {
    char inbox[INBOX];
    ssize_t count = recv(fd, inbox, sizeof inbox, MSG_DONTWAIT);
    if (count > 5) {
        int which = inbox[5] == 'a' ? NOT_FOUND : count > CONDITIONAL ? NOT_MODIFIED : FOUND;
        send(fd, answers[which], lengths[which], MSG_NOSIGNAL | MSG_DONTWAIT);
    } else if (count == 0) {
        close(fd);
    }
}

static void *serve(void *unused) {
    (void)unused;
    int epoll = epoll_create1(0);
    watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                answer(fd);
                continue;
            }
            for (int taken = 0; taken < ACCEPTS && (fd = accept4(listener, NULL, NULL, 0)) >= 0; taken++)
                watch(epoll, fd, EPOLLIN);
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 3 + ANSWERS)
        return 2;
    for (int i = 0; i < ANSWERS; i++) {
        FILE *file = fopen(arguments[3 + i], "r");
        if (!file)
            return 1;
        lengths[i] = fread(answers[i], 1, ANSWER, file);
        fclose(file);
    }
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        return 1;
    for (int i = 1; i < atoi(arguments[2]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, NULL))
            return 1;
    }
    serve(NULL);
}
