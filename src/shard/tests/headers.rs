//! Header kinds: ustar prefixes, GNU long names, PAX records, sparse files.

use super::*;

/// PAX records, each with its own length in front.
fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + 1;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        out.extend_from_slice(format!("{len} {key}=").as_bytes());
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    out
}

fn with_pax(records: &[u8], then: Made) -> Vec<u8> {
    let mut header = file("PaxHeaders/x", records);
    header.kind = b'x';
    tar_of(&[header, then])
}

#[test]
fn long_names_of_all_three_kinds_are_read() {
    let long = format!("{}/{}.png", "d".repeat(90), "k".repeat(60));
    let longer = format!("{}/{}.png", "e".repeat(120), "k".repeat(200));
    // The `tar` crate writes the first as a ustar prefix and the second as a GNU long name.
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mut header) in [(&long, tar::Header::new_ustar()), (&longer, tar::Header::new_gnu())] {
        let picture = png(4, 4, 1);
        header.set_size(picture.len() as u64);
        builder.append_data(&mut header, name, picture.as_slice()).unwrap();
    }
    let index = walked(&builder.into_inner().unwrap());
    assert_eq!(outcome(&index), [long.trim_end_matches(".png"), longer.trim_end_matches(".png")]);
    let index = walked(&with_pax(&pax(&[("path", longer.as_bytes())]), file("short.png", png(4, 4, 1))));
    assert_eq!(outcome(&index), [longer.trim_end_matches(".png")]);
}

#[test]
fn a_pax_size_counts_and_a_value_may_hold_newlines() {
    let picture = png(4, 4, 1);
    let size = picture.len().to_string();
    let records = pax(&[("comment", b"two\nlines"), ("size", size.as_bytes()), ("path", b"b.png")]);
    let mut header = file("PaxHeaders/x", records);
    header.kind = b'x';
    let mut tar = blocks(&header);
    let mut member = blocks(&file("a.png", &picture));
    let mut wrong = tar::Header::from_byte_slice(&member[..512]).clone();
    wrong.set_size(0);
    wrong.set_cksum();
    member[..512].copy_from_slice(wrong.as_bytes());
    tar.extend_from_slice(&member);
    tar.extend_from_slice(&tar_of(&[file("c.png", &picture)]));
    assert_eq!(outcome(&walked(&tar)), ["b", "c"]);
}

#[test]
fn hostile_pax_names_and_malformed_pax_headers_are_refusals() {
    for (name, class) in
        [(&b"../x.png"[..], "hostile_name"), (b"a\0b.png", "hostile_name"), (b"", "hostile_name")]
    {
        let index = walked(&with_pax(&pax(&[("path", name)]), file("a.png", png(4, 4, 0))));
        assert_eq!(index.samples.len(), 1);
        assert_eq!(index.samples[0].picture.as_ref().unwrap_err().class, class);
    }
    for records in [&b"99 path=x\n"[..], b"no length", b"12 path\n", b"11 size=abc\n", b"0 =\n", b"3 \n"] {
        let index = walked(&with_pax(records, file("a.png", png(4, 4, 0))));
        assert_eq!(outcome(&index), ["a.png=bad_extended_header"], "{:?}", String::from_utf8_lossy(records));
    }
}

#[test]
fn an_enormous_extended_header_costs_its_member_and_no_other() {
    let index = walked(&with_pax(&vec![b'1'; 3 << 20], file("a.png", png(4, 4, 0))));
    assert_eq!(outcome(&index), ["a.png=bad_extended_header"]);
}

#[test]
fn an_extended_header_without_a_member_is_damage() {
    let mut header = file("PaxHeaders/x", pax(&[("path", b"x.png")]));
    header.kind = b'x';
    let tar = tar_of(&[header]);
    let at = tar.len() - 1024;
    assert_eq!(outcome(&walked(&tar)), [format!("@{at}=damaged_tar")]);
    assert_eq!(outcome(&walked(&tar[..at])), [format!("@{at}=damaged_tar")]);
}

#[test]
fn sparse_files_are_refused_and_stepped_over() {
    let good = png(4, 4, 0);
    let mut sparse = blocks(&Made { name: b"s.png".to_vec(), kind: b'S', payload: vec![1; 600] });
    sparse[482] = 1;
    let mut header = tar::Header::from_byte_slice(&sparse[..512]).clone();
    header.set_cksum();
    sparse[..512].copy_from_slice(header.as_bytes());
    let mut map = [0; 512];
    map[0] = b'0';
    sparse.splice(512..512, map);
    sparse.extend_from_slice(&tar_of(&[file("a.png", &good)]));
    assert_eq!(outcome(&walked(&sparse)), ["s.png=sparse_file", "a"]);
    let index = walked(&with_pax(&pax(&[("GNU.sparse.major", b"1")]), file("b.png", &good)));
    assert_eq!(outcome(&index), ["b.png=sparse_file"]);
}

#[test]
fn global_headers_and_volume_labels_are_passed_over() {
    let mut global = file("pax_global_header", pax(&[("comment", b"0123")]));
    global.kind = b'g';
    let tar = tar_of(&[special("label", b'V'), global, file("a.png", png(4, 4, 0))]);
    assert_eq!(outcome(&walked(&tar)), ["a"]);
}
