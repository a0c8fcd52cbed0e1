//! Raising the horizon and deleting old slot rows (exactly-once.md, "horizon"). Clocks decide only how
//! fast the horizon rises, never what is true: it is one durable value that is only ever raised.

use switchboard_call::flaw::{Flaw, planted};
use switchboard_call::limits::{COLLECT_LAG_MS, HORIZON_LAG_MS, HORIZON_RISE_PER_MS};
use switchboard_store::limits::COLLECT_ROWS_MAX;
use switchboard_store::{StoreError, Writer};

/// What one batch came to.
#[derive(Default)]
pub(crate) struct Kept {
    /// Rows deleted.
    pub(crate) deleted: usize,
    /// There may be more of them.
    pub(crate) more: bool,
}

/// Raises the horizon towards `now - 30 days` by at most twice `uptime_ms` (the time this node has been up
/// since its last housekeeping), then deletes one small batch of rows behind it.
pub(crate) fn keep_house(writer: &mut Writer, now_us: u64, uptime_ms: u64) -> Result<Kept, StoreError> {
    let mut tx = writer.begin()?;
    let horizon_ms = tx.horizon_ms()?;
    let goal_ms = (now_us / 1000).saturating_sub(HORIZON_LAG_MS);
    let reach_ms = horizon_ms.saturating_add(uptime_ms.saturating_mul(HORIZON_RISE_PER_MS));
    let reach_ms = if planted(Flaw::HorizonFollowsClock) { goal_ms } else { reach_ms };
    let raised_ms = goal_ms.min(reach_ms).max(horizon_ms);
    tx.raise_horizon(raised_ms)?;
    let collected_ms = match raised_ms.saturating_sub(COLLECT_LAG_MS) {
        _ if planted(Flaw::CollectedAtHorizon) => raised_ms,
        _ if planted(Flaw::CollectedAboveHorizon) => raised_ms.saturating_add(HORIZON_LAG_MS),
        collected_ms => collected_ms,
    };
    let deleted = tx.collect_slots(collected_ms, COLLECT_ROWS_MAX)?;
    tx.commit()?;
    Ok(Kept { deleted, more: u32::try_from(deleted).is_ok_and(|deleted| deleted >= COLLECT_ROWS_MAX) })
}
