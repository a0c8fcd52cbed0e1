//! Bounds of the text service, unit last. Absent: any bound that a frame or a connection sets.

/// Bytes that one case-mapping chunk may have. A mapped chunk is at most
/// [`CASE_GROWTH_FACTOR_MAX`] times as long, so the reply still fits a frame of 1 MiB.
pub const CASE_CHUNK_BYTES_MAX: usize = 256 * 1024;

/// How much longer text can become: `ΐ` (2 bytes) becomes three characters of 2 bytes, and one
/// byte that is not UTF-8 becomes U+FFFD, which has 3.
pub const CASE_GROWTH_FACTOR_MAX: usize = 3;

/// Bytes at the end of a chunk that may stay unconsumed: a UTF-8 sequence (4 bytes) less one.
pub const UTF8_TAIL_BYTES_MAX: usize = 3;

/// Bytes of output that wait for the form of one sigma. Only a run of dots, apostrophes and
/// accents can follow that sigma, so a real text never comes near.
pub const SIGMA_RUN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bits of the largest integer that is judged.
pub const PRIME_BITS_MAX: usize = 4096;

/// Decimal digits of 2^4096 - 1. Longer numbers are refused before they are parsed.
pub const PRIME_DIGITS_MAX: usize = 1234;

/// Primes below this divide a large number by trial. Its square is 2^32: what is below that and
/// has no such factor is prime.
pub const TRIAL_FACTOR_MAX: u32 = 1 << 16;

/// Miller-Rabin rounds beside Baillie-PSW: a composite passes all of them with probability at
/// most 4^-10, less than one in a million.
pub const MILLER_RABIN_ROUNDS_MAX: u8 = 10;

/// 64-bit multiplications that one request may spend: one strong Lucas test of a 4096-bit number.
/// At the 0.6 ns that one takes on a 2.6 GHz server core this is about 41 ms.
pub const PRIME_WORD_PRODUCTS_MAX: usize = 68_000_000;
