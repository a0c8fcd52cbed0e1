/* Preloaded into user-mode-linux, which knows the registers of older processors: a kernel takes a thread's extended state
 * only whole, and answers EFAULT to less. What is missing at the end is filled in from the thread itself.
 * Absent: any change where the kernel takes what it is given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { STATE_BYTES_MAX = 1 << 16, NT_X86_XSTATE = 0x202 };

static long (*next_ptrace)(enum __ptrace_request, ...);
/* Not on the stack: user-mode-linux calls from kernel stacks of a few pages. It has one processor, and so one caller. */
static unsigned char state[STATE_BYTES_MAX];

__attribute__((constructor)) static void find_next(void) {
    *(void **)&next_ptrace = dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...) {
    va_list rest;
    va_start(rest, request);
    long thread = va_arg(rest, long);
    void *kind = va_arg(rest, void *);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    long result = next_ptrace(request, thread, kind, argument);
    if (result == 0 || errno != EFAULT || request != PTRACE_SETREGSET || (long)kind != NT_X86_XSTATE)
        return result;
    struct iovec given = *(struct iovec *)argument, whole = {state, sizeof state};
    result = next_ptrace(PTRACE_GETREGSET, thread, kind, &whole);
    if (result != 0)
        return result;
    if (whole.iov_len < given.iov_len) {
        errno = EFAULT;
        return -1;
    }
    memcpy(state, given.iov_base, given.iov_len);
    return next_ptrace(request, thread, kind, &whole);
}
