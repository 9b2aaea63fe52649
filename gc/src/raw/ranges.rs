//! Ranges of addresses that were made readable and writable.

/// Disjoint ranges that do not touch each other.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// Whether one of them holds this range.
    pub fn holds(&self, start: usize, end: usize) -> bool {
        self.0.iter().any(|range| range.0 <= start && end <= range.1)
    }

    /// Adds a range.
    pub fn add(&mut self, start: usize, end: usize) {
        let mut whole = (start, end);
        self.0.retain(|range| {
            let is_apart = range.1 < start || end < range.0;
            if !is_apart {
                whole = (whole.0.min(range.0), whole.1.max(range.1));
            }
            is_apart
        });
        self.0.push(whole);
    }

    /// Removes all addresses from this one on.
    pub fn cut(&mut self, end: usize) {
        self.0.retain(|range| range.0 < end);
        self.0.iter_mut().for_each(|range| range.1 = range.1.min(end));
    }

    /// What of them lies within these bounds.
    pub fn within(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, usize)> {
        let cut = move |range: &(usize, usize)| (range.0.max(start), range.1.min(end));
        self.0.iter().map(cut).filter(|range| range.0 < range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with one flag for each address.
    #[test]
    fn ranges_hold_what_was_added_and_nothing_else() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % below) as usize
        };
        for _ in 0..300 {
            let (mut ranges, mut flags) = (Ranges::default(), [false; 40]);
            for _ in 0..8 {
                let start = random(36);
                let end = start + 1 + random(4);
                ranges.add(start, end);
                flags[start..end].fill(true);
                if random(8) == 0 {
                    let end = random(40);
                    ranges.cut(end);
                    flags[end..].fill(false);
                }
                let mut found = [false; 40];
                for (start, end) in ranges.within(3, 37) {
                    assert!(!found[start..end].contains(&true) && (start == 3 || !found[start - 1]), "they touch");
                    found[start..end].fill(true);
                }
                assert_eq!(found[3..37], flags[3..37]);
                let (start, bytes) = (random(36), 1 + random(4));
                assert_eq!(ranges.holds(start, start + bytes), !flags[start..start + bytes].contains(&false));
            }
        }
    }
}
