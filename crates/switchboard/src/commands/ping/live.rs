//! The live chart: for each target its newest round trips over time, lost probes as marks on the floor, and the figures so far. The
//! terminal is given back as it was, whatever ends the run. Absent: anything but drawing; where standard output is no
//! terminal there is no chart.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ratatui::crossterm::event::{self, Event as Key, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};
use ratatui::{DefaultTerminal, Frame};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use switchboard_probe::Timestamp;
use switchboard_probe::statistics::Statistics;
use switchboard_probe::udp::{Event, Pinger};

use super::limits::{LIVE_PROBES_MAX, LIVE_REDRAW_MS};
use super::target::Named;
use crate::exit::Exit;
use crate::failure::Failure;

/// Whether a chart can be drawn and a key be read.
pub(super) fn is_possible() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// The chart on the terminal.
pub(super) struct Live {
    terminal: DefaultTerminal,
    recent: Vec<Recent>,
}

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pressed {
    Nothing,
    Leave,
}

impl Live {
    /// Takes the terminal over.
    pub(super) fn begin(targets: usize) -> Result<Self, Failure> {
        let terminal = ratatui::try_init().map_err(|error| {
            Failure::new(Exit::InputOutput, "cannot draw on this terminal")
                .because(error)
                .advise("leave out --live")
        })?;
        Ok(Self { terminal, recent: (0..targets).map(|_| Recent::default()).collect() })
    }

    /// Takes what happened.
    pub(super) fn take(&mut self, place: usize, event: &Event) {
        if let Some(recent) = self.recent.get_mut(place) {
            recent.take(event);
        }
    }

    /// Draws what is known by now.
    pub(super) fn draw(&mut self, named: &[Named], pinger: &Pinger) -> Result<(), Failure> {
        let views: Vec<View<'_>> = named
            .iter()
            .zip(&self.recent)
            .enumerate()
            .filter_map(|(place, (named, recent))| {
                let statistics = pinger.statistics(place)?;
                Some(View { name: format!("{} ({})", named.name, named.address), recent, statistics })
            })
            .collect();
        let drawn = self.terminal.draw(|frame| render(frame, &views));
        drawn
            .map(|_| ())
            .map_err(|error| Failure::new(Exit::InputOutput, "cannot draw on this terminal").because(error))
    }

    /// What was pressed since it was last asked.
    pub(super) fn pressed(&self) -> Result<Pressed, Failure> {
        let failed = |error: io::Error| {
            Failure::new(Exit::InputOutput, "cannot read from the keyboard").because(error)
        };
        while event::poll(std::time::Duration::ZERO).map_err(failed)? {
            if let Key::Key(key) = event::read().map_err(failed)? {
                let interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(Pressed::Leave);
                }
            }
        }
        Ok(Pressed::Nothing)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _given_back = ratatui::try_restore();
    }
}

/// Readable when it is time to draw.
pub(super) struct Redraw(OwnedFd);

impl Redraw {
    /// From now on, again and again.
    pub(super) fn begin() -> Result<Self, Failure> {
        let failed = |errno: rustix::io::Errno| {
            Failure::new(Exit::Internal, "the system has no timer left").because(io::Error::from(errno))
        };
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).map_err(failed)?;
        let ms = i64::try_from(LIVE_REDRAW_MS).unwrap_or(i64::MAX);
        let every = Timespec { tv_sec: ms / 1_000, tv_nsec: ms % 1_000 * 1_000_000 };
        let times = Itimerspec { it_interval: every, it_value: every };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).map_err(failed)?;
        Ok(Self(timer))
    }

    /// Waits for the next time.
    pub(super) fn drawn(&self) {
        let mut expirations = [0; 8];
        // Without an expiration there is nothing to take back.
        let _passed = rustix::io::read(&self.0, &mut expirations);
    }
}

impl AsFd for Redraw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The newest probes of a target.
#[derive(Default)]
struct Recent {
    start: Option<Timestamp>,
    /// By sequence: seconds from the start, and milliseconds of its round trip where it was answered in time.
    probes: BTreeMap<u64, (f64, Option<f64>)>,
    lost: VecDeque<u64>,
}

impl Recent {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Sent { sequence, at } => {
                let start = *self.start.get_or_insert(*at);
                self.probes.insert(*sequence, (number(at.nanos_since(start)) / 1e9, None));
                while self.probes.len() > LIVE_PROBES_MAX {
                    self.probes.pop_first();
                }
            }
            Event::Answered(reception) => {
                if let Some(probe) = self.probes.get_mut(&reception.sample.sequence) {
                    probe.1 = Some(number(i64::try_from(reception.sample.rtt_ns).unwrap_or(i64::MAX)) / 1e6);
                }
            }
            Event::NoAnswer { sequence, .. } => {
                self.lost.push_back(*sequence);
                while self.lost.len() > LIVE_PROBES_MAX {
                    self.lost.pop_front();
                }
            }
            Event::Late(_) | Event::Duplicate(_) | Event::Corrupt { .. } => {}
        }
    }

    fn round_trips(&self) -> Vec<(f64, f64)> {
        self.probes.values().filter_map(|(at_s, ms)| Some((*at_s, (*ms)?))).collect()
    }

    fn lost(&self, floor: f64) -> Vec<(f64, f64)> {
        let known = self.lost.iter().filter_map(|sequence| self.probes.get(sequence));
        known.map(|(at_s, _)| (*at_s, floor)).collect()
    }
}

/// What is drawn of a target.
struct View<'a> {
    name: String,
    recent: &'a Recent,
    statistics: &'a Statistics,
}

fn render(frame: &mut Frame<'_>, views: &[View<'_>]) {
    let [body, footer] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    // A chart needs some lines; of the targets that find no room only the first ones are drawn.
    let room = usize::from(body.height / 9).max(1);
    let shown = views.get(..room.min(views.len())).unwrap_or(views);
    let rows = Layout::vertical(shown.iter().map(|_| Constraint::Fill(1))).split(body);
    for (view, row) in shown.iter().zip(rows.iter()) {
        let [chart, figures] = Layout::vertical([Constraint::Min(0), Constraint::Length(2)]).areas(*row);
        render_chart(frame, chart, view);
        frame.render_widget(Paragraph::new(figures_of(view.statistics)), figures);
    }
    let hidden = views.len() - shown.len();
    let more = if hidden > 0 { format!("; {hidden} more targets below") } else { String::new() };
    let words = format!(" q ends, and tells the figures{more}");
    frame.render_widget(Line::from(words).dim(), footer);
}

fn render_chart(frame: &mut Frame<'_>, area: ratatui::layout::Rect, view: &View<'_>) {
    let round_trips = view.recent.round_trips();
    let most = round_trips.iter().map(|(_, ms)| *ms).fold(0.0, f64::max).max(0.001) * 1.1;
    let lost = view.recent.lost(most * 0.02);
    let times = || view.recent.probes.values().map(|(at_s, _)| *at_s);
    let first = times().fold(f64::INFINITY, f64::min);
    let last = times().fold(f64::NEG_INFINITY, f64::max).max(first + 1.0);
    let (first, last) = if first.is_finite() { (first, last) } else { (0.0, 1.0) };
    let datasets = vec![
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Scatter)
            .style(Style::new().fg(Color::Cyan))
            .data(&round_trips),
        Dataset::default()
            .marker(Marker::Block)
            .graph_type(GraphType::Scatter)
            .style(Style::new().fg(Color::Red))
            .data(&lost),
    ];
    let across =
        Axis::default().bounds([first, last]).labels([format!("{first:.0} s"), format!("{last:.0} s")]);
    let up = Axis::default().bounds([0.0, most]).labels([
        "0".to_owned(),
        format!("{:.3}", most / 2.0),
        format!("{most:.3} ms"),
    ]);
    let title = Line::from(format!(" {} ", crate::screen::harmless(&view.name))).bold();
    let chart = Chart::new(datasets).block(Block::bordered().title(title)).x_axis(across).y_axis(up);
    frame.render_widget(chart, area);
}

fn figures_of(statistics: &Statistics) -> Vec<Line<'static>> {
    let counts = statistics.counts();
    let mut line =
        format!(" {} sent, {} answered, {} not in time", counts.sent, counts.answered, counts.no_answer);
    if let Some(lost) = statistics.loss_by_direction() {
        line.push_str(&format!(" ({} lost there, {} back)", lost.up, lost.down));
    }
    for (count, what) in [(counts.late, "late"), (counts.duplicates, "twice"), (counts.corrupt, "corrupt")] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    let ms = |ns: f64| format!("{:.3}", ns / 1e6);
    let quantiles = match statistics.rtt().quantiles() {
        Some(of) => format!(
            " ms: min {} median {} p90 {} p99 {} max {}",
            ms(of.min_ns),
            ms(of.median_ns),
            ms(of.p90_ns),
            ms(of.p99_ns),
            ms(of.max_ns)
        ),
        None => " no answer yet".to_owned(),
    };
    vec![Line::from(line), Line::from(quantiles)]
}

#[expect(clippy::cast_precision_loss, reason = "places on a chart")]
fn number(nanos: i64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests;
