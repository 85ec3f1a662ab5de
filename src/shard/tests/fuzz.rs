//! Random damage: whatever the bytes, no panic, no memory by claim, the same answer twice.

use super::*;

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// A tar with every kind of header in it.
fn rich_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, payload: &[u8], mut header: tar::Header| {
        header.set_size(payload.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, payload).unwrap();
    };
    add("a.jpg", include_bytes!("../fixtures/orientation6.jpg"), tar::Header::new_gnu());
    add("a.json", b"{\"aes\":5.5,\"caption\":\"x\"}", tar::Header::new_ustar());
    add(
        &format!("{}/b.webp", "d".repeat(150)),
        include_bytes!("../fixtures/animated.webp"),
        tar::Header::new_gnu(),
    );
    builder.append_pax_extensions([("path", &b"long/c.png"[..]), ("comment", &b"z"[..])]).unwrap();
    let mut add = |name: &str, payload: &[u8], mut header: tar::Header| {
        header.set_size(payload.len() as u64);
        builder.append_data(&mut header, name, payload).unwrap();
    };
    add("c.png", include_bytes!("../fixtures/orientation8.png"), tar::Header::new_ustar());
    add("c.txt", b"a caption", tar::Header::new_ustar());
    builder.into_inner().unwrap()
}

fn put_right(header: &mut [u8]) {
    let mut fixed = tar::Header::from_byte_slice(header).clone();
    fixed.set_cksum();
    header.copy_from_slice(fixed.as_bytes());
}

#[test]
fn mutated_tars_give_one_verdict_each_without_a_panic_or_a_heap_of_memory() {
    let tar = rich_tar();
    assert_eq!(walked(&tar).samples.iter().filter(|s| s.picture.is_ok()).count(), 3);
    let headers: Vec<usize> =
        (0..tar.len() / 512).map(|i| i * 512).filter(|&at| &tar[at + 257..at + 262] == b"ustar").collect();
    let desk = Desk::new();
    let before = peak_memory();
    let mut dice = Dice(2026);
    for round in 0..4_000 {
        let mut mutant = tar.clone();
        for _ in 0..=dice.below(3) {
            let at = match dice.below(3) {
                0 => dice.below(mutant.len()),
                _ => {
                    headers[dice.below(headers.len())]
                        + [dice.below(512), 124 + dice.below(12), 156][dice.below(3)]
                }
            };
            mutant[at] = [dice.below(256) as u8, 0, 0x80, 0xff, b'7', b'x', b'L', b'S'][dice.below(8)];
        }
        // Half of them with good checksums, or the damage would never get past them.
        if dice.below(2) == 0 {
            headers.iter().for_each(|&at| put_right(&mut mutant[at..at + 512]));
        }
        if dice.below(4) == 0 {
            mutant.truncate(dice.below(mutant.len()));
        }
        let path = desk.put("x.tar", &mutant);
        let built = |mmap| {
            let options = ReadOptions { mmap, ..ReadOptions::default() };
            index::build(&opened(&source_of(&path), &options), &options)
        };
        let index = built(true);
        assert_eq!(index, built(round % 2 == 0), "round {round}");
        check(&index, mutant.len(), round);
    }
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 512 << 20, "memory grew by {grown} bytes");
}

fn check(index: &ShardIndex, len: usize, round: usize) {
    let good: Vec<&Sample> = index.samples.iter().filter(|s| s.picture.is_ok()).collect();
    for sample in &good {
        assert_eq!(good.iter().filter(|other| other.key == sample.key).count(), 1, "round {round}");
        assert!(!sample.key.contains("..") && !sample.key.starts_with('/') && !sample.key.contains('\0'));
    }
    for member in index.samples.iter().flat_map(|s| &s.members) {
        assert!(member.offset + member.len <= len as u64, "round {round}");
    }
    let ends = |s: &&Sample| s.picture.as_ref().is_err_and(|r| r.class == "damaged_tar");
    assert!(index.samples.iter().filter(ends).count() <= 1, "round {round}");
}
