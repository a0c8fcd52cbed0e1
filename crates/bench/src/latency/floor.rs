//! What a call alone cannot be faster than: a flush of the disk, and the bytes of a call and its reply over loopback between
//! two threads that sleep until the other has spoken. Absent: everything a server does besides.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use switchboard_call::answer::Answer;
use switchboard_call::frame::{Call, ClientFrame, Reference, Reply, ServerFrame};
use switchboard_call::id::{CallId, Nonce, ReplyHash, Sequence, SessionId, Slot};
use switchboard_commands::bank::{self, AccountId, Command, TransferId};
use switchboard_commands::money::{Amount, Currency};

/// What is written before each flush, in bytes: a page.
const PAGE_BYTES: usize = 4096;
/// Pages of the file that are written over in turn.
const PAGES: u64 = 256;
/// Flushes and round trips of one round.
const TIMES: u32 = 400;

/// The parts of the floor, each time in the order in which it was measured.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// One fdatasync(2) of a page appended to a file: the file system notes its new length as well.
    pub(super) append: Vec<Duration>,
    /// One fdatasync(2) of a page that the file had before.
    pub(super) overwrite: Vec<Duration>,
    /// A call to another thread and its reply back.
    pub(super) round_trip: Vec<Duration>,
}

/// The middle one of so many flushes in a row and one round trip. The middle of such sums, not the sum of middles: where
/// slow flushes are rare, a row of three meets one more often than one alone does.
pub(super) fn together(flushes: &[Duration], in_a_row: usize, round_trip: &[Duration]) -> Duration {
    let rows = flushes.chunks_exact(in_a_row).zip(round_trip);
    middle(rows.map(|(row, trip)| row.iter().sum::<Duration>() + *trip).collect())
}

/// The middle one; nothing of none.
pub(super) fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Floor {
    /// Adds one round of each.
    pub(super) fn add_round(&mut self, place: &Path) -> Result<()> {
        self.flush(place).context("cannot flush a file")?;
        self.converse().context("cannot converse over loopback")
    }

    fn flush(&mut self, place: &Path) -> Result<()> {
        let page = [0x5a; PAGE_BYTES];
        let path = place.join("floor");
        let mut file = File::create(&path)?;
        for _ in 0..TIMES {
            timed(&mut self.append, || {
                file.write_all(&page)?;
                file.sync_data()
            })?;
        }
        for number in 0..TIMES {
            let offset = u64::from(number) % PAGES * u64::try_from(PAGE_BYTES)?;
            timed(&mut self.overwrite, || {
                file.write_all_at(&page, offset)?;
                file.sync_data()
            })?;
        }
        Ok(std::fs::remove_file(path)?)
    }

    fn converse(&mut self) -> Result<()> {
        let (asked, answered) = (call_bytes()?, reply_bytes()?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut near = TcpStream::connect(listener.local_addr()?)?;
        let (mut far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        std::thread::scope(|scope| {
            scope.spawn(|| -> std::io::Result<()> {
                let mut question = vec![0; asked.len()];
                for _ in 0..TIMES {
                    far.read_exact(&mut question)?;
                    far.write_all(&answered)?;
                }
                Ok(())
            });
            let mut reply = vec![0; answered.len()];
            for _ in 0..TIMES {
                timed(&mut self.round_trip, || {
                    near.write_all(&asked)?;
                    near.read_exact(&mut reply)
                })?;
            }
            Ok(())
        })
    }
}

/// The frame of a withdrawal.
fn call_bytes() -> Result<Vec<u8>> {
    let account = AccountId::from_number(1000).context("an account")?;
    let command = Command::Withdraw { account, money: Amount::from_minor(1).of(euro()?), memo: None };
    let mut bytes = Vec::new();
    ClientFrame::Call(Call {
        service: bank::SERVICE.to_owned(),
        id: some_id(),
        nonce: Nonce([7; 16]),
        previous: ReplyHash::NONE,
        version: bank::VERSION,
        not_after_us: None,
        attempt: 1,
        body: minicbor::to_vec(&command)?,
    })
    .encode(&mut bytes);
    Ok(bytes)
}

/// The frame of its reply.
fn reply_bytes() -> Result<Vec<u8>> {
    let account = AccountId::from_number(1000).context("an account")?;
    let transfer = TransferId::from_number(1_000_000).context("a transfer")?;
    let balance = Amount::from_minor(1_000_000_000).of(euro()?);
    let told = bank::Reply::Withdrawn { transfer, account, balance };
    let answer = Answer::Done(minicbor::to_vec(&told)?).to_bytes();
    let mut bytes = Vec::new();
    ServerFrame::Reply(Reply { reference: Reference::Call(some_id()), attempt: 1, replayed: false, answer })
        .encode(&mut bytes);
    Ok(bytes)
}

fn some_id() -> CallId {
    let session = SessionId::mint(1_700_000_000_000, [7; 10]);
    CallId { session, slot: Slot(0), sequence: Sequence::FIRST }
}

fn euro() -> Result<Currency> {
    Currency::from_code(b"EUR").context("ISO 4217 has the euro")
}

/// Does it and notes how long it took.
#[expect(clippy::disallowed_methods, reason = "the floor is a time")]
fn timed(times: &mut Vec<Duration>, work: impl FnOnce() -> std::io::Result<()>) -> Result<()> {
    let begun = Instant::now();
    work()?;
    times.push(begun.elapsed());
    Ok(())
}
