//! Tests of the zstd decoder: against an encoder that others wrote, against files that the zstd tool wrote, and against
//! streams that were made to harm. Knows no traces but as bytes.

use super::*;
use crate::chance::Chance;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn decoded(stream: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    ZstdReader::new(stream).read_to_end(&mut out)?;
    Ok(out)
}

fn complaint(stream: &[u8]) -> String {
    decoded(stream).expect_err("the stream is bad").to_string()
}

/// A frame without checksum and size, with a window of 128 KiB.
fn frame(blocks: &[&[u8]]) -> Vec<u8> {
    let mut stream = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    blocks.iter().for_each(|block| stream.extend_from_slice(block));
    stream
}

fn block(last: bool, kind: u32, size: usize, content: &[u8]) -> Vec<u8> {
    let header = u32::from(last) | kind << 1 | (size as u32) << 3;
    [&header.to_le_bytes()[..3], content].concat()
}

/// A compressed block of `count` sequences, each a match of 131,074 bytes, in two bytes each.
fn swelling(count: usize) -> Vec<u8> {
    let mut content = vec![0];
    let above = count - 0x7f00;
    content.extend([255, above as u8, (above >> 8) as u8, 0b0101_0100, 0, 0, 52]);
    content.extend(std::iter::repeat_n(0xff, 2 * count));
    content.push(1);
    content
}

fn some_text(seed: u64, lines: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed, 0);
    let mut time = 0;
    let mut text = String::new();
    for _ in 0..lines {
        time += chance.below(500);
        let op = ["W", "W", "W", "D", "F"][chance.below(5) as usize];
        text += &format!("{time},{op},{},{}\n", 4096 * chance.below(1 << 20), 4096 * (1 + chance.below(8)));
    }
    text.into_bytes()
}

#[test]
fn what_another_encoder_wrote_is_read_back() {
    for (seed, lines) in [(1, 0), (2, 1), (3, 50), (4, 3_000), (5, 40_000)] {
        let text = some_text(seed, lines);
        for level in [CompressionLevel::Uncompressed, CompressionLevel::Fastest] {
            let stream = compress_to_vec(text.as_slice(), level);
            assert!(decoded(&stream).unwrap() == text, "seed {seed}, {level:?}");
        }
    }
}

#[test]
fn what_the_zstd_tool_wrote_is_read_with_its_checksum() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/traces/");
    for (name, bytes) in [("git-ext4.csv.zst", 2_873_492), ("cargo-xfs.csv.zst", 60_219)] {
        let stream = std::fs::read(format!("{folder}{name}")).unwrap();
        assert_eq!(decoded(&stream).unwrap().len(), bytes, "{name}");
    }
}

#[test]
fn small_reads_give_the_same_bytes() {
    let text = some_text(6, 5_000);
    let stream = compress_to_vec(text.as_slice(), CompressionLevel::Fastest);
    let mut reader = ZstdReader::new(stream.as_slice());
    let (mut out, mut piece) = (Vec::new(), [0; 7]);
    while let got @ 1.. = reader.read(&mut piece).unwrap() {
        out.extend_from_slice(&piece[..got]);
    }
    assert!(out == text);
}

#[test]
fn frames_and_skippable_frames_follow_each_other() {
    let one = compress_to_vec(&b"first,"[..], CompressionLevel::Fastest);
    let two = compress_to_vec(&b"second"[..], CompressionLevel::Fastest);
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &two].concat();
    assert_eq!(decoded(&[one, skipped].concat()).unwrap(), b"first,second");
}

#[test]
fn a_stream_cut_anywhere_is_an_error_or_a_whole_number_of_frames() {
    let text = some_text(7, 300);
    let stream = compress_to_vec(text.as_slice(), CompressionLevel::Fastest);
    for length in 1..stream.len() {
        assert!(complaint(&stream[..length]).contains("cut off"), "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_never_gives_other_bytes() {
    let text = some_text(8, 120);
    let stream = compress_to_vec(text.as_slice(), CompressionLevel::Fastest);
    let mut refused = 0;
    for bit in 0..stream.len() * 8 {
        let mut flipped = stream.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match decoded(&flipped) {
            Ok(out) => assert!(out == text, "bit {bit} gave other bytes"),
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > stream.len() * 8 * 99 / 100,
        "only {refused} flips of {} bytes were refused",
        stream.len()
    );
}

#[test]
fn random_damage_never_panics_nor_swells() {
    for seed in 0..400 {
        let mut chance = Chance::new(seed, 9);
        let mut stream = compress_to_vec(some_text(seed % 5, 600).as_slice(), CompressionLevel::Fastest);
        stream[4] &= !4; // without the checksum, damage gets further
        for _ in 0..=chance.below(6) {
            let at = chance.below(stream.len() as u64) as usize;
            stream[at] = chance.number() as u8;
        }
        let length = decoded(&stream).map_or(0, |out| out.len());
        assert!(length < 64 << 20, "seed {seed}: {length} bytes");
    }
}

#[test]
fn a_block_that_swells_is_refused_before_it_does() {
    let content = swelling(60_000);
    let repeated = block(false, 1, 64, b"a");
    let stream = frame(&[&repeated, &block(true, 2, content.len(), &content)]);
    assert!(complaint(&stream).contains("gives more than the format allows"), "{}", complaint(&stream));
}

#[test]
fn many_blocks_that_swell_are_stopped_by_the_ratio() {
    let repeated = block(false, 1, BLOCK_BYTES_MAX, b"a");
    let stream = frame(&vec![repeated.as_slice(); 1 << 20]);
    let mut reader = ZstdReader::new(stream.as_slice());
    let error = io::copy(&mut reader, &mut io::sink()).expect_err("137 GB from 4 MB");
    assert!(error.to_string().contains("no trace shrinks over 500 times"), "{error}");
    assert!(reader.output_bytes < 20 << 20, "{} bytes came out first", reader.output_bytes);
}

#[test]
fn a_window_beyond_the_limit_is_refused_by_its_header() {
    let stream = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0];
    assert!(complaint(&stream).contains("a zstd window of 2147483648 bytes"), "{}", complaint(&stream));
    let promised = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0];
    assert!(
        complaint(&promised).contains("a zstd window of 9223372036854775808"),
        "{}",
        complaint(&promised)
    );
}

#[test]
fn every_other_broken_rule_has_its_own_words() {
    let raw = block(true, 0, 3, b"abc");
    assert_eq!(decoded(&frame(&[&raw])).unwrap(), b"abc");
    let cases: [(&str, Vec<u8>); 8] = [
        ("something that is not zstd", [frame(&[&raw]), b"more".to_vec()].concat()),
        ("reserved kind", frame(&[&block(true, 3, 0, b"")])),
        ("a zstd block of 200000 bytes", frame(&[&block(true, 1, 200_000, b"a")])),
        ("before the beginning", frame(&[&block(true, 2, 7, &[0, 1, 0b0101_0100, 0, 0, 0, 1])])),
        ("refer to a table", frame(&[&block(true, 2, 4, &[0, 1, 0b1111_1100, 1])])),
        ("refer to a Huffman table", frame(&[&block(true, 2, 4, &[3, 0, 0, 0])])),
        ("a dictionary", vec![0x28, 0xb5, 0x2f, 0xfd, 0x01, 7 << 3, 9]),
        ("not as long as its header says", [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 4][..], &raw].concat()),
    ];
    for (words, stream) in cases {
        let said = complaint(&stream);
        assert!(said.contains(words), "{words:?} is missing: {said}");
    }
}
