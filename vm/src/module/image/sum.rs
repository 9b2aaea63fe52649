//! A checksum against accidents, not against people: whoever can change an image can change its checksum.

/// Words that are summed side by side.
const LANES: usize = 4;
const BLOCK_BYTES: usize = 8 * LANES;
/// Odd, so that multiplying by it loses nothing.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The checksum of bytes. Each step is a bijection in the word that it takes, so a change within one word of eight
/// bytes, whatever it is, changes the sum; other changes do so but for one in 2^64.
pub(crate) fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    let mut lanes: [u64; LANES] = std::array::from_fn(|lane| seed.wrapping_add(lane as u64 + 1).wrapping_mul(FACTOR));
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    blocks.iter().for_each(|block| add(&mut lanes, block));
    let mut last = [0; BLOCK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    add(&mut lanes, &last);
    lanes.into_iter().fold(mix(seed, bytes.len() as u64), mix)
}

fn add(lanes: &mut [u64; LANES], block: &[u8; BLOCK_BYTES]) {
    for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = mix(*lane, u64::from_le_bytes(*word));
    }
}

/// A product carries a bit upwards only: what is high comes down and goes up again, so that a bit of one word and a bit
/// of the next one do not cancel out.
fn mix(sum: u64, word: u64) -> u64 {
    let product = (sum ^ word).wrapping_mul(FACTOR);
    (product ^ product >> 32).wrapping_mul(FACTOR).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_bit_and_the_length_count() {
        for len in [0, 1, 7, 8, 31, 32, 33, 100] {
            let bytes: Vec<u8> = (0..len).map(|byte| (byte as u8).wrapping_mul(37)).collect();
            let mut seen = HashSet::from([checksum(1, &bytes), checksum(2, &bytes)]);
            for bit in 0..len * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                seen.insert(checksum(1, &flipped));
            }
            for zeroes in 1..40 {
                let longer = [&bytes[..], &vec![0; zeroes]].concat();
                seen.insert(checksum(1, &longer));
            }
            assert_eq!(seen.len(), 2 + len * 8 + 39);
        }
    }
}
