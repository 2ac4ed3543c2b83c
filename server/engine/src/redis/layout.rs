//! Which partition an engine is, and among how many.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// The place of an engine among the partitions of a gateway.
#[derive(Clone)]
pub struct Layout {
    /// The partition, counted from 0.
    pub partition: usize,
    /// The number of partitions.
    pub partitions: usize,
    /// Whether the keys have a tag also where there is one partition.
    is_tagged: bool,
    /// Whether the data of one has shown that the number is right.
    confirmed: Arc<watch::Sender<bool>>,
}

impl Layout {
    /// The places of so many partitions, whose keys have a tag where there are several or a Redis Cluster
    /// holds them.
    pub fn of(partitions: NonZeroUsize, is_cluster: bool) -> impl Iterator<Item = Self> {
        let first = Self::first_of(partitions, is_cluster);
        (0..partitions.get()).map(move |partition| Self { partition, ..first.clone() })
    }

    /// The place of the first of so many partitions.
    pub fn first_of(partitions: NonZeroUsize, is_cluster: bool) -> Self {
        let partitions = partitions.get();
        let (is_tagged, confirmed) = (is_cluster || partitions > 1, Arc::default());
        Self { partition: 0, partitions, is_tagged, confirmed }
    }

    /// The number of the partition for logs, where there are several.
    pub fn number(&self) -> Option<usize> {
        (self.partitions > 1).then_some(self.partition)
    }

    /// What the keys of the partition begin with. All are in one slot of a Redis Cluster, by the part in
    /// braces.
    pub fn prefix(&self, prefix: &str) -> String {
        if self.is_tagged { tagged(prefix, self.partition) } else { prefix.to_owned() }
    }

    /// What the keys of the first partition would begin with if there were one instead of several, or
    /// several instead of one.
    pub fn other_prefix(&self, prefix: &str) -> String {
        if self.is_tagged { prefix.to_owned() } else { tagged(prefix, 0) }
    }

    /// Whether the data of the partition may begin: that of the first one, which says how many there are,
    /// comes before the others.
    pub fn may_make(&self) -> bool {
        self.partition == 0 || *self.confirmed.borrow()
    }

    /// The data of the partition says that the number of partitions is right.
    pub fn confirm(&self) {
        self.confirmed.send_if_modified(|confirmed| !std::mem::replace(confirmed, true));
    }

    /// Waits until the number of partitions is known to be right, unless that takes longer than `at_most`.
    pub async fn confirmed(&self, at_most: Duration) {
        if self.partition > 0 {
            let mut confirmed = self.confirmed.subscribe();
            let _ = timeout(at_most, confirmed.wait_for(|it| *it)).await;
        }
    }
}

fn tagged(prefix: &str, partition: usize) -> String {
    format!("{prefix}{{p{partition}}}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layouts(partitions: usize, is_cluster: bool) -> impl Iterator<Item = Layout> {
        Layout::of(partitions.try_into().unwrap(), is_cluster)
    }

    #[test]
    fn the_keys_of_one_partition_have_no_tag() {
        let prefixes: Vec<_> = layouts(1, false).map(|it| it.prefix("a:")).collect();
        assert_eq!(prefixes, ["a:"]);
    }

    #[test]
    fn the_keys_of_each_of_several_partitions_have_a_tag() {
        let prefixes: Vec<_> = layouts(2, false).map(|it| it.prefix("a:")).collect();
        assert_eq!(prefixes, ["a:{p0}:", "a:{p1}:"]);
    }

    #[test]
    fn the_keys_of_one_partition_have_a_tag_in_a_cluster() {
        let prefixes: Vec<_> = layouts(1, true).map(|it| it.prefix("a:")).collect();
        assert_eq!(prefixes, ["a:{p0}:"]);
    }

    #[test]
    fn the_first_partition_is_made_before_the_others() {
        let [first, second] = layouts(2, false).collect::<Vec<_>>().try_into().ok().unwrap();
        assert!(first.may_make() && !second.may_make());
        first.confirm();
        assert!(second.may_make());
    }
}
