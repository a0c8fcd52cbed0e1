//! The chart as text, drawn on a terminal that is a buffer, from a run in virtual time.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use switchboard_probe::Moment;
use switchboard_probe::prober::form::Echo;
use switchboard_probe::prober::{Arrived, Outcome, Pace, Plan, Prober, Reflected, Step};
use switchboard_probe::udp::Reception;

use super::*;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ping.md"));
const MS: u64 = 1_000_000;
const WALL: u64 = 1_700_000_000_000_000_000;

/// A run of 300 probes, 100 ms apart, whose round trips rise and fall; every 40th is lost on the way there.
fn run() -> (Recent, Prober) {
    let [interval, wait] = [100, 1_000].map(std::time::Duration::from_millis);
    let plan = Plan { count: Some(300), interval, wait, pace: Pace::Schedule };
    let mut prober = Prober::new(plan, Moment::from_nanos(0), 1);
    let mut recent = Recent::default();
    let mut number = 0;
    for now in (0..32_000).map(|ms| ms * MS) {
        loop {
            match prober.poll(Moment::from_nanos(now), Moment::from_nanos(now)) {
                Step::Send { sequence, due } => {
                    let wall = Timestamp::from_nanos(WALL + now);
                    prober.sent(sequence, Moment::from_nanos(now), wall, due);
                    recent.take(&Event::Sent { sequence, at: wall });
                    if sequence % 40 != 20 {
                        let round = (sequence % 100).abs_diff(50) * 40_000 + 8 * MS;
                        recent.take(&Event::Answered(answer(&mut prober, sequence, now, round, number)));
                        number += 1;
                    }
                }
                Step::NoAnswer { sequence } => recent.take(&Event::NoAnswer { sequence, because: None }),
                Step::Wait(_) | Step::Done => break,
            }
        }
    }
    (recent, prober)
}

fn answer(prober: &mut Prober, sequence: u64, now: u64, round: u64, number: u32) -> Reception {
    let wall = |ns| Timestamp::from_nanos(WALL + ns);
    let half = wall(now + round / 2);
    let arrived = Arrived {
        sequence: u32::try_from(sequence).unwrap(),
        at: Moment::from_nanos(now + round),
        received: wall(now + round),
        kernel: false,
        echo: Echo::Text(wall(now)),
        reflected: Some(Reflected {
            received: half,
            sent: half,
            sequence: number,
            ttl: 64,
            counters: None,
            previous: None,
        }),
    };
    let outcome = prober.answered(&arrived);
    let Outcome::Answered(sample) = outcome else { panic!("{outcome:?}") };
    Reception { sample, length: 60, ttl: Some(64) }
}

#[test]
fn the_chart_shows_round_trips_losses_and_figures() {
    let (recent, prober) = run();
    let view = View { name: "192.0.2.1:862".to_owned(), recent: &recent, statistics: prober.statistics() };
    let mut terminal = Terminal::new(TestBackend::new(100, 18)).unwrap();
    terminal.draw(|frame| render(frame, &[view])).unwrap();
    let drawn = terminal.backend().to_string();
    let lines: Vec<&str> = drawn.lines().map(|line| line.trim_matches('"').trim_end()).collect();
    let drawn = lines.join("\n");
    expect_test::expect_file!["live.txt"].assert_eq(&drawn);
    assert!(DOCUMENT.contains(drawn.trim_end()), "docs/ping.md shows another chart than live.txt");
}

#[test]
fn the_smallest_terminal_and_a_run_without_answers_are_drawn() {
    let (recent, statistics) = (Recent::default(), Statistics::new(1));
    for (width, height) in [(1, 1), (10, 3), (300, 100)] {
        let views =
            || (0..20).map(|n| View { name: n.to_string(), recent: &recent, statistics: &statistics });
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| render(frame, &views().collect::<Vec<_>>())).unwrap();
    }
}
