//! A page of the connected devices of all partitions, by name.

use std::collections::BTreeMap;

use super::{Partitioned, fan_out::next};
use crate::{DeviceState, Engine as _, EngineError};

/// The devices that one partition has returned so far.
struct Pages {
    /// The name of the last one.
    last: String,
    /// Whether there may be more of them.
    has_more: bool,
}

impl Partitioned {
    /// Up to `limit` connected devices with a name above `after`. Each partition is asked for its share
    /// of them, and for more only where its names are the lowest.
    pub(super) async fn merge_connected(
        &self,
        linkinjected: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<DeviceState>, EngineError> {
        let page = limit.div_ceil(self.partitions.len()) + 1;
        let begin = || Pages { last: after.to_owned(), has_more: true };
        let mut pages: Vec<_> = self.partitions.iter().map(|_| begin()).collect();
        let mut found = BTreeMap::new();
        loop {
            // Every device up to this name is found.
            let known = pages.iter().filter(|it| it.has_more).map(|it| it.last.clone()).min();
            let enough = |known: &String| found.range(..=known.clone()).count() >= limit;
            let Some(known) = known.filter(|known| !enough(known)) else {
                return Ok(found.into_values().take(limit).collect());
            };
            let mut answers = self.ask_all(|number, partition| {
                let Pages { last, has_more } = &pages[number];
                let is_asked = *has_more && *last == known;
                let (link, last) = (linkinjected.map(ToOwned::to_owned), last.clone());
                async move {
                    let asked =
                        is_asked.then(|| partition.redis.connected(link.as_deref(), &last, page));
                    match asked {
                        Some(asked) => Some((number, asked.await)),
                        None => None,
                    }
                }
            });
            while let Some(answer) = next(&mut answers).await {
                let Some((number, devices)) = answer? else { continue };
                let devices = devices?;
                pages[number].has_more = devices.len() == page;
                if let Some(last) = devices.last() {
                    pages[number].last = last.device.to_string();
                }
                found.extend(devices.into_iter().map(|it| (it.device.to_string(), it)));
            }
        }
    }
}
