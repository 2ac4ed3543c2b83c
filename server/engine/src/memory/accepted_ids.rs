//! The ids of the prospect's messages that were accepted last, found by hash.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The ids, the latest at the end.
#[derive(Clone, Default)]
pub struct AcceptedIds {
    ids: VecDeque<Box<str>>,
    /// A hash of each, in the same order. Few ids share one, and hundreds of these are compared in
    /// the time of a few ids.
    hashes: VecDeque<u16>,
}

impl AcceptedIds {
    /// Whether this id is one of them.
    pub fn contains(&self, id: &str) -> bool {
        let hash = short_hash(id);
        let (front, back) = self.hashes.as_slices();
        (front.contains(&hash) || back.contains(&hash)) && self.ids.iter().any(|it| **it == *id)
    }

    /// Adds an id, and keeps at most `remembered` of them.
    pub fn insert(&mut self, id: &str, remembered: usize) {
        if self.ids.len() >= remembered {
            self.ids.pop_front();
            self.hashes.pop_front();
        }
        self.ids.push_back(id.into());
        self.hashes.push_back(short_hash(id));
    }
}

fn short_hash(id: &str) -> u16 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let [low, high, ..] = hasher.finish().to_le_bytes();
    u16::from_le_bytes([low, high])
}

impl Serialize for AcceptedIds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.ids.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AcceptedIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ids = VecDeque::<Box<str>>::deserialize(deserializer)?;
        let hashes = ids.iter().map(|id| short_hash(id)).collect();
        Ok(Self { ids, hashes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_ids_are_found_and_no_others() {
        let mut ids = AcceptedIds::default();
        for n in 0..1000 {
            ids.insert(&n.to_string(), 256);
        }
        for n in 0..2000 {
            assert_eq!(ids.contains(&n.to_string()), (744..1000).contains(&n), "{n}");
        }
    }
}
