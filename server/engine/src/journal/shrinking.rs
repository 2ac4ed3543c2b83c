//! Makes the journal's file as short as its content, in steps that delay a commit by milliseconds.

use rusqlite::{Connection, Error};

/// Bytes of obsolete commits that one step deletes; at least one commit, however long.
const DELETED_BYTES: i64 = 1024 * 1024;

/// Obsolete commits that one step deletes, at most.
const DELETED_COMMITS: i64 = 64;

/// Pages that one step returns to the file system: 1 MiB.
const RETURNED_PAGES: i64 = 256;

/// Unused pages that the file keeps, for the next commits: 256 KiB.
const SPARE_PAGES: i64 = 64;

/// Has a new database keep what it takes to return pages in small steps, and any database overwrite
/// what it deletes: what is obsolete may be of a device that was erased.
pub fn prepare(database: &Connection) -> Result<(), Error> {
    database.pragma_update(None, "auto_vacuum", "incremental")?;
    // The pragma answers with the new value.
    database.query_row("PRAGMA secure_delete = on", [], |_| Ok(()))
}

/// Deletes the oldest commits before `end`, up to `bytes` bytes and the limits of a step. Returns
/// whether there were any.
pub fn delete_obsolete(database: &Connection, end: i64, bytes: i64) -> Result<bool, Error> {
    let mut statement = database.prepare_cached(
        "SELECT n, length(changes) FROM commits WHERE n < ?1 ORDER BY n LIMIT ?2",
    )?;
    let mut rows = statement.query((end, DELETED_COMMITS))?;
    let (mut total, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        total += row.get::<_, i64>(1)?;
        if last.is_some() && total > bytes.min(DELETED_BYTES) {
            break;
        }
        last = Some(row.get::<_, i64>(0)?);
    }
    let Some(last) = last else { return Ok(false) };
    database.prepare_cached("DELETE FROM commits WHERE n <= ?1")?.execute([last])?;
    Ok(true)
}

/// Returns unused pages to the file system. Gives the number of bytes that were written for it; 0
/// where the file has no more than it may keep.
pub fn return_pages(database: &Connection) -> Result<usize, Error> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = (number("freelist_count")? - SPARE_PAGES).min(RETURNED_PAGES);
    if pages <= 0 {
        return Ok(0);
    }
    // Each row of the result is one page.
    let mut statement = database.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    let bytes = pages * number("page_size")?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}
