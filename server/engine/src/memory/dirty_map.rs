//! A map that remembers which of its entries a step has touched, so that they can be written down.

use std::{borrow::Borrow, hash::Hash, mem};

use indexmap::IndexMap;

/// The map. Its entries have places, which [`DirtyMap::before`] walks from the last to the first: a
/// walk in that order meets every entry that was there when it began and stays, whatever is taken
/// out or put in meanwhile.
pub struct DirtyMap<K, V> {
    entries: IndexMap<K, V>,
    touched: Vec<K>,
}

impl<K, V> Default for DirtyMap<K, V> {
    fn default() -> Self {
        Self { entries: IndexMap::new(), touched: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash, V> DirtyMap<K, V> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.entries.get_key_value(key)
    }

    /// The entry, to change it.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (_, key, value) = self.entries.get_full_mut(key)?;
        self.touched.push(key.clone());
        Some(value)
    }

    /// The entry, to change in it what is written down in another way, or not at all.
    pub fn get_mut_untouched<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.touched.push(key.clone());
        self.entries.insert(key, value);
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, value) = self.entries.swap_remove_entry(key)?;
        self.touched.push(key);
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// What was touched since this was last asked, each entry once or a few times.
    pub fn take_touched(&mut self) -> Vec<K> {
        self.touched.dedup();
        mem::take(&mut self.touched)
    }

    /// The entry before `place`, and its own place.
    pub fn before(&self, place: usize) -> Option<(usize, &K, &V)> {
        let place = place.min(self.entries.len()).checked_sub(1)?;
        self.entries.get_index(place).map(|(key, value)| (place, key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_meets_all_that_stays_whatever_comes_and_goes() {
        let mut map = DirtyMap::default();
        for n in 0..100_u32 {
            map.insert(n, n);
        }
        let mut met = Vec::new();
        let mut place = usize::MAX;
        while let Some((at, key, _)) = map.before(place) {
            met.push(*key);
            place = at;
            let n = u32::try_from(met.len()).expect("few");
            map.remove(&(n * 7 % 50));
            map.insert(1000 + n, n);
        }
        for key in (0..100).filter(|key| map.get(key).is_some()) {
            assert!(met.contains(&key), "{key}");
        }
    }
}
