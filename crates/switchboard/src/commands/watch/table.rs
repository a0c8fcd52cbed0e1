//! The live table: hosts that need somebody first, then by name; as many as fit. Absent: keys to press.

use std::time::Duration;

use switchboard_probe::Moment;
use switchboard_probe::beat::{Host, Status, Watch};

use super::super::beat::words::spoken;
use crate::screen::{Screen, Side, Tone, table};

/// Lines of a terminal that does not tell its size.
const LINES_DEFAULT: u16 = 24;
/// Cursor to the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears the rest of a line, and of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

const COLUMNS: [(&str, Side); 9] = [
    ("host", Side::Left),
    ("state", Side::Left),
    ("last word", Side::Right),
    ("every", Side::Right),
    ("beats", Side::Right),
    ("lost", Side::Right),
    ("delay*", Side::Right),
    ("jitter", Side::Right),
    ("from", Side::Left),
];

/// The screen's content, ready to be written over the last one.
pub(super) fn draw(screen: &Screen, heading: &str, watch: &Watch, now: Moment, latest: &[&str]) -> String {
    let height = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(LINES_DEFAULT, |size| size.ws_row);
    // Heading, blank, names of columns, blank, footnote, and the changes.
    let room = usize::from(height.max(12)).saturating_sub(6 + latest.len()).max(1);
    let mut hosts: Vec<&Host> = watch.hosts().iter().collect();
    hosts.sort_by_key(|host| (urgency(host), host.name()));
    let rows: Vec<[String; COLUMNS.len()]> = hosts.iter().take(room).map(|host| row(host, now)).collect();
    let standing: Vec<String> = Status::ALL
        .into_iter()
        .filter_map(|status| {
            let hosts = watch.standing(status);
            (hosts > 0).then(|| format!("{hosts} {}", status.name()))
        })
        .collect();
    let mut lines =
        vec![format!("{}  {}", screen.paint(Tone::Strong, heading), standing.join(", ")), String::new()];
    let drawn = table(COLUMNS, &rows);
    for (line, host) in drawn.lines().zip(std::iter::once(None).chain(hosts.iter().map(Some))) {
        lines.push(screen.paint(host.map_or(Tone::Strong, |host| tone(host)), line));
    }
    let hidden = hosts.len().saturating_sub(room);
    let more = if hidden > 0 { format!("{hidden} more; ") } else { String::new() };
    lines.push(screen.paint(Tone::Faint, &format!("{more}* with the difference of both clocks")));
    lines.push(String::new());
    lines.extend(latest.iter().map(|line| (*line).to_owned()));
    let text: Vec<String> = lines.iter().map(|line| format!("{line}{REST_OF_LINE}\r\n")).collect();
    format!("{HOME}{}{REST_OF_SCREEN}", text.concat())
}

fn urgency(host: &Host) -> u8 {
    match host.status() {
        Status::Silent => 0,
        Status::Missing => 1,
        Status::Alive if host.is_flapping() => 2,
        Status::Alive => 3,
        Status::Paused => 4,
        Status::Waiting => 5,
        Status::Gone => 6,
    }
}

fn tone(host: &Host) -> Tone {
    match host.status() {
        Status::Silent | Status::Missing => Tone::Bad,
        Status::Alive if host.is_flapping() => Tone::Warning,
        Status::Alive => Tone::Plain,
        Status::Paused | Status::Waiting | Status::Gone => Tone::Faint,
    }
}

fn row(host: &Host, now: Moment) -> [String; COLUMNS.len()] {
    let measured = host.measured();
    let heard = measured.received > 0;
    let when = |text: String| if heard { text } else { "-".to_owned() };
    let state = match host.is_flapping() {
        true => format!("{} (flaps)", host.status().name()),
        false => host.status().name().to_owned(),
    };
    let last = match host.status() {
        Status::Paused if host.since() > now => {
            format!("back in {}", spoken(Duration::from_nanos(host.since().nanos_since(now))))
        }
        Status::Alive | Status::Silent | Status::Gone | Status::Paused => {
            spoken(Duration::from_nanos(now.nanos_since(host.since())))
        }
        Status::Waiting | Status::Missing => "-".to_owned(),
    };
    let expected = measured.received.saturating_add(measured.lost).max(1);
    // Thousandths are exact, and as fine as a person reads.
    let permille = measured.lost.saturating_mul(1_000) / expected;
    [
        host.name().to_owned(),
        state,
        last,
        when(spoken(Duration::from_millis(host.interval_ms().into()))),
        when(measured.received.to_string()),
        when(format!("{}.{} %", permille / 10, permille % 10)),
        when(format!("{:.1} ms", measured.delay_mean_s * 1e3)),
        measured.deviation_s.map_or_else(|| "-".to_owned(), |seconds| format!("{:.2} ms", seconds * 1e3)),
        host.source().map_or_else(|| "-".to_owned(), |source| source.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use switchboard_probe::Timestamp;
    use switchboard_probe::beat::quality::Demand;
    use switchboard_probe::beat::{Arrival, Farewell, Key, Method, Network, Policy, Sender};

    use super::*;
    use crate::screen::Form;

    const SECOND: u64 = 1_000_000_000;

    fn policy() -> Policy {
        Policy {
            method: Method::Expected,
            demand: Demand::false_alarms_per_month(1.0, 4, None),
            network: Network { loss: 0.01, loss_after_loss: 0.01, deviation_s: 0.01, delay_s: 0.05 },
            phi: 12.0,
            first_beat: None,
            clock_window: None,
            damping: true,
        }
    }

    fn at_s(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * SECOND)
    }

    #[test]
    fn hosts_that_need_somebody_come_first() {
        let key = || Key::new([1; 32]);
        let names = ["waits", "silent", "alive", "paused"];
        let hosts = (0..).zip(names).map(|(id, name)| Host::new(id, name, key())).collect();
        let mut watch = Watch::new(hosts, policy(), at_s(100)).unwrap();
        let source = ([192, 0, 2, 7], 4_000).into();
        let hear = |watch: &mut Watch, second: u64, packet: &[u8]| {
            let at = Moment::from_nanos(second * SECOND + 5_000_000);
            watch.awake(at);
            watch.datagram(packet, &Arrival { at, stamp: Timestamp::from_nanos(at.nanos()), source });
            watch.listened(at);
        };
        let mut senders = [1, 2, 3].map(|id| Sender::new(id, key(), 1, 1_000, at_s(100)));
        for second in 100..130 {
            let stamp = Timestamp::from_nanos(second * SECOND);
            // The first falls silent, the last takes leave.
            for (sender, until) in senders.iter_mut().zip([120, 130, 110]) {
                if second < until {
                    hear(&mut watch, second, &sender.beat(at_s(second), stamp).unwrap());
                }
            }
            if second == 110 {
                hear(&mut watch, second, &senders[2].farewell(Farewell::Pause { seconds: 600 }, stamp));
            }
        }
        let screen = Screen::new(Form::Text, false);
        let now = Moment::from_nanos(130 * SECOND);
        let drawn = draw(&screen, "watching", &watch, now, &["12:00 web1 is silent"]);
        let lines = drawn.trim_start_matches(HOME).trim_end_matches(REST_OF_SCREEN).split("\r\n");
        let plain: Vec<&str> = lines.map(|line| line.trim_end_matches(REST_OF_LINE)).collect();
        expect_test::expect![[r#"
            watching  1 waiting, 1 alive, 1 silent, 1 paused

            host    state             last word  every  beats   lost  delay*   jitter  from
            silent  silent                 11 s    1 s     20  0.0 %  5.0 ms  0.00 ms  192.0.2.7:4000
            alive   alive                995 ms    1 s     30  0.0 %  5.0 ms  0.00 ms  192.0.2.7:4000
            paused  paused   back in 9 min 40 s    1 s     11  0.0 %  5.0 ms  0.00 ms  192.0.2.7:4000
            waits   waiting                   -      -      -      -       -        -  -
            * with the difference of both clocks

            12:00 web1 is silent
        "#]]
        .assert_eq(&plain.join("\n"));
    }
}
