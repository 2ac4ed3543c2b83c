//! Circles: modules that use each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{Arrow, ModulePath};

/// The circles inside a folder, each as the arrows that it is made of. A module that is a folder
/// counts as one with all that is in it; the folder's own `mod.rs` is one of its modules.
pub fn inside(arrows: &[Arrow], folder: &ModulePath) -> Vec<Vec<Arrow>> {
    let mut graph = Graph::default();
    for arrow in arrows {
        let place = |module: &ModulePath| {
            module
                .starts_with(folder)
                .then(|| module[..module.len().min(folder.len() + 1)].to_vec())
        };
        if let (Some(from), Some(to)) = (place(&arrow.from), place(&arrow.to))
            && from != to
        {
            graph.arrows.entry(from).or_default().entry(to).or_insert_with(|| arrow.clone());
        }
    }
    graph.circles()
}

/// Which module uses which, with one arrow as the evidence of each pair.
#[derive(Default)]
struct Graph {
    arrows: BTreeMap<ModulePath, BTreeMap<ModulePath, Arrow>>,
}

impl Graph {
    /// A shortest circle through each module that is on one; each circle once.
    fn circles(&self) -> Vec<Vec<Arrow>> {
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.arrows.keys() {
            if let Some(circle) = self.shortest_circle(start) {
                let members: BTreeSet<_> = circle.iter().map(ToString::to_string).collect();
                if seen.insert(members) {
                    circles.push(circle);
                }
            }
        }
        circles
    }

    fn shortest_circle(&self, start: &ModulePath) -> Option<Vec<Arrow>> {
        let mut ways: Vec<(&ModulePath, Vec<Arrow>)> = vec![(start, Vec::new())];
        let mut reached = BTreeSet::new();
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for (at, way) in ways {
                for (next, arrow) in self.arrows.get(at).into_iter().flatten() {
                    let way = [way.as_slice(), std::slice::from_ref(arrow)].concat();
                    if next == start {
                        return Some(way);
                    }
                    if reached.insert(next) {
                        longer.push((next, way));
                    }
                }
            }
            ways = longer;
        }
        None
    }
}
