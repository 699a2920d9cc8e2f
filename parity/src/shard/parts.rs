use super::{Shard, case_cost};
use crate::case::Case;
use crate::recording::sha256;

/// Which shard each item of a run falls to.
///
/// The items stand in a line, ordered by the SHA-256 of their names, and the line is cut into
/// stretches of equal cost. So every item belongs to exactly one shard, no shard costs more than an
/// equal share and the dearest item, and an item that is added moves each cut by less than its own
/// cost: nearly all others stay where they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The shard of each item, counted from 1.
    numbers: Vec<usize>,
    costs: Vec<u64>,
}

impl Parts {
    /// Cuts a run into `of` shards. `items` are the names, each once, and the costs.
    pub fn cut<'a>(items: impl IntoIterator<Item = (&'a str, u64)>, of: usize) -> Self {
        let (hashes, costs): (Vec<_>, Vec<_>) = items
            .into_iter()
            .map(|(name, cost)| (sha256(name.as_bytes()), cost.max(1)))
            .unzip();
        let mut line: Vec<usize> = (0..hashes.len()).collect();
        line.sort_by_key(|&at| &hashes[at]);
        let total: u128 = costs.iter().map(|&c| u128::from(c)).sum();
        let mut numbers = vec![1; hashes.len()];
        let mut before = 0;
        for at in line {
            let cost = u128::from(costs[at]);
            // Where the middle of an item lies decides; doubled, it is a whole number.
            let middle = 2 * before + cost;
            let cut = middle * of as u128 / (2 * total);
            numbers[at] = usize::try_from(cut).unwrap_or(usize::MAX).saturating_add(1);
            before += cost;
        }
        Self { numbers, costs }
    }

    /// Cuts a list of cases into `of` shards, by what they are expected to cost.
    pub fn of_cases<'a>(cases: impl IntoIterator<Item = &'a Case>, of: usize) -> Self {
        let named = cases.into_iter().map(|c| (c.name.as_str(), case_cost(c)));
        Self::cut(named, of)
    }

    /// The number of the shard of each item, counted from 1.
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    /// Whether the item at `position`, counted from 0, belongs to `shard`.
    pub fn has(&self, shard: Shard, position: usize) -> bool {
        self.numbers.get(position) == Some(&shard.index)
    }

    /// The share of the cost of all items that `shard` has, from 0 to 1.
    pub fn share(&self, shard: Shard) -> f64 {
        let all = self.numbers.iter().zip(&self.costs);
        let own = all.filter(|(number, _)| **number == shard.index);
        let own: u64 = own.map(|(_, cost)| cost).sum();
        own as f64 / self.costs.iter().sum::<u64>().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Items = BTreeMap<String, u64>;

    fn cut(items: &Items, of: usize) -> BTreeMap<&str, usize> {
        let parts = Parts::cut(items.iter().map(|(name, cost)| (name.as_str(), *cost)), of);
        let names = items.keys().map(String::as_str);
        names.zip(parts.numbers().iter().copied()).collect()
    }

    fn items(most: usize) -> impl Strategy<Value = Items> {
        prop::collection::btree_map("[a-z0-9-]{1,12}", 1..500_u64, 1..most)
    }

    proptest! {
        #[test]
        fn every_item_belongs_to_one_shard_and_none_costs_much_more_than_its_share(
            items in items(200), of in 1..20_usize,
        ) {
            let numbers = cut(&items, of);
            let total: u64 = items.values().sum();
            let dearest = items.values().copied().max().unwrap_or(0);
            let mut costs = vec![0; of];
            for (name, number) in &numbers {
                prop_assert!((1..=of).contains(number));
                costs[number - 1] += items[*name];
            }
            prop_assert_eq!(costs.iter().sum::<u64>(), total);
            for cost in costs {
                let (cost, share) = (cost as f64, total as f64 / of as f64);
                prop_assert!((cost - share).abs() <= dearest as f64, "{} of {}", cost, share);
            }
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(items in items(60), of in 1..9_usize) {
            let forward = cut(&items, of);
            let backward: Vec<_> = items.iter().rev().map(|(n, c)| (n.as_str(), *c)).collect();
            let parts = Parts::cut(backward.iter().copied(), of);
            for ((name, _), number) in backward.iter().zip(parts.numbers()) {
                prop_assert_eq!(forward[name], *number);
            }
        }

        #[test]
        fn an_item_that_is_added_moves_few_others(
            items in items(200), name in "[A-Z]{8}", cost in 1..500_u64, of in 1..20_usize,
        ) {
            let before = cut(&items, of);
            let mut more = items.clone();
            more.insert(name, cost);
            let after = cut(&more, of);
            let moved = before.iter().filter(|(name, number)| after[*name] != **number);
            let moved: u64 = moved.map(|(name, _)| items[*name]).sum();
            // Each cut moves past items of less than the new cost, and one that lay across it.
            let dearest = items.values().copied().max().unwrap_or(0);
            prop_assert!(moved <= (of as u64 - 1) * (cost + dearest), "{} moved", moved);
        }
    }

    #[test]
    fn of_two_thousand_cases_a_hundred_more_leave_nearly_all_in_place() {
        let named = |n: usize| (format!("case-{n}"), 40 + (n as u64 * 7919) % 160);
        let before: Items = (0..2000).map(named).collect();
        let after: Items = (0..2100).map(named).collect();
        let (was, is) = (cut(&before, 8), cut(&after, 8));
        let moved = was.iter().filter(|(name, number)| is[*name] != **number);
        let moved = moved.count();
        assert!(moved < 100, "{moved} moved");
        let mut costs = [0; 8];
        for (name, number) in &was {
            costs[number - 1] += before[*name];
        }
        let (least, most) = (costs.iter().min(), costs.iter().max());
        assert!(most.unwrap() - least.unwrap() < 400, "{costs:?}");
    }
}
