//! Heartbeats from strangers and from hosts that do as they like: datagrams, true and false, between absences of the monitor.
//!
//! Held: nothing panics; a datagram has one encoding; a beat is taken once; no deadline passes unseen; nobody is called silent
//! before a beat was taken.

use std::time::Duration;

use switchboard_probe::beat::quality::Demand;
use switchboard_probe::beat::{Arrival, Beat, Change, Host, Key, Method, Network, Policy, Watch};
use switchboard_probe::{Moment, Timestamp};

use crate::input::Input;

const HOSTS: u64 = 3;
const STEPS_MAX: usize = 64;
const WALL: u64 = 1_700_000_000_000_000_000;

/// First byte: the method. Then steps, each a byte that says what happens and what it needs.
pub(crate) fn run(bytes: &[u8]) {
    codec(bytes);
    let mut input = Input::new(bytes);
    let method = Method::ALL[usize::from(input.byte()) % Method::ALL.len()];
    let hosts = (0..HOSTS).map(|id| Host::new(id, "host", key(id))).collect();
    let mut now = Moment::from_nanos(1_000_000_000);
    let Ok(mut watch) = Watch::new(hosts, policy(method), now) else { return };
    let mut last = None;
    for _ in 0..STEPS_MAX {
        let Some(what) = input.next() else { break };
        now = now.plus_nanos(u64::from(input.byte()) << (what >> 3));
        let before = watch.counts().taken;
        match what & 7 {
            0..=3 => last = Some(beat(&mut watch, &mut input, now)),
            4 => deliver(&mut watch, input.piece(), now),
            5 => watch.awake(now),
            6 => watch.overflowed(now, 1),
            _ => {
                watch.listened(now);
                watch.listened(now);
            }
        }
        if let (4, Some(packet)) = (what & 7, &last) {
            // What was there before is never taken.
            deliver(&mut watch, packet, now);
            assert_eq!(watch.counts().taken, before, "a beat was taken twice");
        }
        while let Some(event) = watch.next_event() {
            let silent = matches!(event.change, Change::Silent { .. } | Change::Flapping { .. });
            assert!(!silent || watch.counts().taken > 0, "silent though it never spoke");
        }
        let late = watch.hosts().iter().filter(|host| host.deadline().is_some_and(|due| due <= now)).count();
        assert!(what & 7 != 7 || late == 0, "a deadline passed unseen");
    }
}

fn codec(bytes: &[u8]) {
    let datagram = bytes.get(..64).unwrap_or(bytes);
    if let Some(beat) = Beat::parse(datagram) {
        assert_eq!(&beat.write()[..48], &datagram[..48]);
    }
}

/// Nobody guesses an HMAC: it is made, so that what lies behind it is reached.
fn beat(watch: &mut Watch, input: &mut Input<'_>, now: Moment) -> [u8; 64] {
    let mut packet = [0; 64];
    packet[..3].copy_from_slice(b"SB\x01");
    packet[3] = input.byte() % 4;
    packet[6] = input.byte();
    packet[7] = input.byte();
    packet[15] = input.byte() % 4;
    packet[23] = input.byte();
    packet[24..32].copy_from_slice(&(u64::from(input.byte()) << (input.byte() % 64)).to_be_bytes());
    packet[32..40].copy_from_slice(&(WALL + now.nanos()).to_be_bytes());
    packet[43] = if packet[3] == 2 { input.byte() } else { 0 };
    let Some(beat) = Beat::parse(&packet) else { return packet };
    let sealed = key(beat.host % HOSTS).seal(&beat);
    deliver(watch, &sealed, now);
    sealed
}

fn deliver(watch: &mut Watch, datagram: &[u8], now: Moment) {
    let stamp = Timestamp::from_nanos(WALL + now.nanos());
    watch.datagram(datagram, &Arrival { at: now, stamp, source: ([192, 0, 2, 1], 4_000).into() });
}

fn key(host: u64) -> Key {
    Key::new([u8::try_from(host).unwrap_or(u8::MAX); 32])
}

fn policy(method: Method) -> Policy {
    Policy {
        method,
        demand: Demand::false_alarms_per_month(1.0, 3, None),
        network: Network { loss: 0.01, loss_after_loss: 0.01, deviation_s: 0.01, delay_s: 0.05 },
        phi: 8.0,
        first_beat: Some(Duration::from_secs(60)),
        clock_window: Some(Duration::from_secs(600)),
        damping: true,
    }
}
