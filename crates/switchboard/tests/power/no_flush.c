/* Preloaded into a client that must be caught: its flushes succeed and do nothing. */
int fsync(int file) {
    (void)file;
    return 0;
}

int fdatasync(int file) {
    (void)file;
    return 0;
}
