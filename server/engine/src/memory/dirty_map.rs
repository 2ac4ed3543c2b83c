//! A map that records which of its entries a step has changed, so that the journal gets them.

use std::{borrow::Borrow, hash::Hash, mem};

use indexmap::IndexMap;

/// The map. Compaction visits its entries by index, from the last to the first: see
/// [`DirtyMap::before`].
pub struct DirtyMap<K, V> {
    entries: IndexMap<K, V>,
    dirty: Vec<K>,
}

impl<K, V> Default for DirtyMap<K, V> {
    fn default() -> Self {
        Self { entries: IndexMap::new(), dirty: Vec::new() }
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

    /// The entry, which becomes dirty.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (_, key, value) = self.entries.get_full_mut(key)?;
        self.dirty.push(key.clone());
        Some(value)
    }

    /// The entry, which stays clean: for fields that reach the journal in another way or not at all.
    pub fn get_mut_clean<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    /// The entry with its key, which stays clean.
    pub fn get_full_mut_clean<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<(&K, &mut V)>
    where
        K: Borrow<Q>,
    {
        self.entries.get_full_mut(key).map(|(_, key, value)| (key, value))
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.dirty.push(key.clone());
        self.entries.insert(key, value);
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, value) = self.entries.swap_remove_entry(key)?;
        self.dirty.push(key);
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Takes out the keys of the dirty entries, removed ones included. A key can occur more than
    /// once.
    pub fn take_dirty(&mut self) -> Vec<K> {
        self.dirty.dedup();
        mem::take(&mut self.dirty)
    }

    /// The entry before `index`, with its own index.
    ///
    /// Visiting from `usize::MAX` down to 0 meets every entry that is there all the while, whatever
    /// is inserted or removed in between: an insertion goes to the end, and a removal moves only
    /// the last entry, to a lower index.
    pub fn before(&self, index: usize) -> Option<(usize, &K, &V)> {
        let index = index.min(self.entries.len()).checked_sub(1)?;
        self.entries.get_index(index).map(|(key, value)| (index, key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visiting_meets_every_entry_that_stays() {
        let mut map = DirtyMap::default();
        for n in 0..100_u32 {
            map.insert(n, n);
        }
        let mut met = Vec::new();
        let mut index = usize::MAX;
        while let Some((at, key, _)) = map.before(index) {
            met.push(*key);
            index = at;
            let n = u32::try_from(met.len()).expect("few");
            map.remove(&(n * 7 % 50));
            map.insert(1000 + n, n);
        }
        for key in (0..100).filter(|key| map.get(key).is_some()) {
            assert!(met.contains(&key), "{key}");
        }
    }
}
