//! Looks at the heads of the frames that a peer sends, before they are understood, and counts those that make work without
//! asking for anything: resets, pings, settings, priorities, windows, empty or unknown frames (CVE-2019-9511 to 9518,
//! CVE-2023-44487).
//!
//! A peer has an account. Such frames are paid from it; requests, bytes taken and time fill it again. *Promises* that no peer
//! has more of them understood than that. *Absent:* everything else about frames, which h2 judges.

use crate::limits;

/// The account of a peer, and where in its stream of frames it is.
#[derive(Debug)]
pub(super) struct Screen {
    /// Bytes of the preface to come.
    preface_left: usize,
    head: [u8; HEAD_BYTES],
    head_filled: usize,
    payload_left: usize,
    /// A list of fields has begun and not ended.
    in_fields: bool,
    credit: u64,
    bytes_taken: u64,
    filled_ms: u64,
}

/// The account is overdrawn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overdrawn;

const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Screen {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_filled: 0,
            payload_left: 0,
            in_fields: false,
            credit: limits::FRAME_CREDIT_MAX,
            bytes_taken: 0,
            filled_ms: now_ms,
        }
    }

    /// A request was made.
    pub(super) fn earn_request(&mut self) {
        self.earn(1);
    }

    /// Bytes of bodies were taken.
    pub(super) fn earn_bytes(&mut self, bytes: u64) {
        self.bytes_taken += bytes;
        self.earn(self.bytes_taken / limits::FRAME_CREDIT_BYTES);
        self.bytes_taken %= limits::FRAME_CREDIT_BYTES;
    }

    fn earn(&mut self, more: u64) {
        self.credit = self.credit.saturating_add(more).min(limits::FRAME_CREDIT_MAX);
    }

    /// Whether the stream stands within a frame, a list of fields, or the preface.
    pub(super) const fn is_amid(&self) -> bool {
        self.preface_left > 0 || self.head_filled > 0 || self.payload_left > 0 || self.in_fields
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), Overdrawn> {
        let filled = now_ms.saturating_sub(self.filled_ms) * limits::FRAME_CREDIT_PER_SECOND / 1_000;
        if filled > 0 {
            self.filled_ms = now_ms;
            self.earn(filled);
        }
        let mut rest = bytes;
        skip(&mut rest, &mut self.preface_left);
        loop {
            skip(&mut rest, &mut self.payload_left);
            let [byte, behind @ ..] = rest else { return Ok(()) };
            self.head[self.head_filled] = *byte;
            self.head_filled += 1;
            rest = behind;
            if self.head_filled == HEAD_BYTES {
                self.head_filled = 0;
                let cost = self.frame();
                self.credit = self.credit.checked_sub(cost).ok_or(Overdrawn)?;
            }
        }
    }

    /// What the frame costs whose head is complete.
    fn frame(&mut self) -> u64 {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload_left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_fields = flags & END_HEADERS == 0;
        }
        match kind {
            HEADERS => 0,
            DATA if self.payload_left > 0 || flags & END_STREAM != 0 => 0,
            // Each is answered, or undoes what was done.
            RST_STREAM | SETTINGS | PING => 2,
            _ => 1,
        }
    }
}

fn skip(rest: &mut &[u8], left: &mut usize) {
    let here = rest.len().min(*left);
    *rest = &rest[here..];
    *left -= here;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let ping = frame(PING, 0, &[PING; 8]);
        let stream = [&[b'x'; PREFACE_BYTES][..], &frame(DATA, 0, &[9; 300]), &ping, &ping].concat();
        for cut in 1..stream.len() {
            let mut screen = Screen::new(0);
            for part in stream.chunks(cut) {
                screen.feed(part, 0).unwrap();
            }
            assert_eq!(screen.credit, limits::FRAME_CREDIT_MAX - 4, "cut every {cut}");
            assert!(!screen.is_amid());
        }
    }

    #[test]
    fn an_account_runs_out_and_fills_again() {
        let mut screen = Screen::new(0);
        screen.feed(&[0; PREFACE_BYTES], 0).unwrap();
        let pair = [frame(HEADERS, END_HEADERS | END_STREAM, b"x"), frame(RST_STREAM, 0, &[0; 4])].concat();
        let mut pairs = 0;
        while screen.feed(&pair, 0).is_ok() {
            screen.earn_request();
            pairs += 1;
        }
        assert_eq!(pairs, limits::FRAME_CREDIT_MAX - 1);
        assert!(screen.feed(&pair, 1_000).is_ok(), "a second later");
        screen.credit = 0;
        screen.earn_bytes(limits::FRAME_CREDIT_BYTES * 2);
        assert!(screen.feed(&pair, 1_000).is_ok(), "after bytes were taken");
    }

    #[test]
    fn a_list_of_fields_is_open_until_its_flag() {
        let mut screen = Screen::new(0);
        screen.feed(&[0; PREFACE_BYTES], 0).unwrap();
        screen.feed(&frame(HEADERS, 0, b"abc"), 0).unwrap();
        assert!(screen.is_amid());
        screen.feed(&frame(CONTINUATION, END_HEADERS, b"abc"), 0).unwrap();
        assert!(!screen.is_amid());
    }
}
