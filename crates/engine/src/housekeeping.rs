//! Raising the horizon and deleting old slot rows (exactly-once.md, "horizon"). Clocks decide only how
//! fast the horizon rises, never what is true: it is one durable value that is only ever raised.

use switchboard_call::limits::{COLLECT_LAG_MS, HORIZON_LAG_MS, HORIZON_RISE_PER_MS};
use switchboard_store::limits::COLLECT_ROWS_MAX;
use switchboard_store::{StoreError, Writer};

/// Raises the horizon towards `now - 30 days` by at most twice `uptime_ms` (the time this node has been up
/// since its last housekeeping), then deletes one small batch of rows behind it. Returns rows deleted.
pub(crate) fn keep_house(writer: &mut Writer, now_us: u64, uptime_ms: u64) -> Result<usize, StoreError> {
    let mut tx = writer.begin()?;
    let horizon_ms = tx.horizon_ms()?;
    let goal_ms = (now_us / 1000).saturating_sub(HORIZON_LAG_MS);
    let reach_ms = horizon_ms.saturating_add(uptime_ms.saturating_mul(HORIZON_RISE_PER_MS));
    let raised_ms = goal_ms.min(reach_ms).max(horizon_ms);
    tx.raise_horizon(raised_ms)?;
    let deleted = tx.collect_slots(raised_ms.saturating_sub(COLLECT_LAG_MS), COLLECT_ROWS_MAX)?;
    tx.commit()?;
    Ok(deleted)
}
