//! Tests of reading, describing and writing traces, good and bad.
//!
//! Invariant: whatever the bytes, reading ends in requests or in an error that names file, line and remedy. Knows only the
//! public face of the crate.

use crate::common::configs;
use spinney_workload::trace::{DATA_BYTES_MAX, Format, Kind, LINE_BYTES_MAX, Request};
use spinney_workload::{TraceInfo, TraceReader, TraceWriter, WorkloadError, convert};
use std::io::{self, Cursor, Read};
use std::path::Path;

fn reader(bytes: impl Into<Vec<u8>>) -> TraceReader {
    TraceReader::from_reader(Path::new("t.csv"), Box::new(Cursor::new(bytes.into()))).expect("not packed")
}

fn all(mut reader: TraceReader) -> Result<Vec<Request>, WorkloadError> {
    let mut requests = Vec::new();
    while let Some(request) = reader.next_request()? {
        requests.push(request);
    }
    Ok(requests)
}

fn request(time_us: u64, kind: Kind, offset: u64, length: u64) -> Request {
    Request { time_us, kind, offset, length }
}

fn complaint(bytes: impl Into<Vec<u8>>) -> String {
    all(reader(bytes)).expect_err("the trace is bad").to_string()
}

/// `count` good lines.
fn good_lines(count: u64) -> String {
    (0..count).map(|index| format!("{index},W,{},4096\n", index * 4096)).collect()
}

#[test]
fn a_plain_trace_is_read_with_or_without_heading_and_line_ends() {
    let due = [
        request(0, Kind::Flush, 0, 0),
        request(7, Kind::Write, 512, 1024),
        request(9, Kind::Zero, 0, 1 << 40),
        request(11, Kind::Snapshot, 77, 0),
        request(12, Kind::End, 77, 0),
    ];
    let lines = "0,F,0,0\n7,W,512,1024\n9,Z,0,1099511627776\n11,S,77,0\n12,E,77,0";
    let variants = [
        lines.to_string(),
        format!("time_us,op,offset,length\n{lines}\n"),
        format!("\u{feff}TIME_US,op,offset,length\r\n\r\n{}\r\n", lines.replace('\n', "\r\n")),
        lines.replace(',', " , ").to_lowercase(),
    ];
    for text in variants {
        assert_eq!(all(reader(text.as_str())).unwrap(), due, "{text:?}");
    }
}

#[test]
fn an_msr_trace_is_read_with_times_from_its_start() {
    let text =
        "128166372003061629,hm,1,Read,383496192,32768,12\n128166372016382155,hm,1,Write,2822144,4096,9\n";
    let mut msr = reader(text);
    assert_eq!(msr.next_request().unwrap(), Some(request(0, Kind::Read, 383_496_192, 32_768)));
    assert_eq!(msr.next_request().unwrap(), Some(request(1_332_052, Kind::Write, 2_822_144, 4096)));
    assert_eq!((msr.next_request().unwrap(), msr.format()), (None, Some(Format::Msr)));
    let heading = "Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n";
    assert_eq!(all(reader(format!("{heading}{text}"))).unwrap().len(), 2);
}

#[test]
fn a_file_that_is_no_trace_is_refused_with_what_was_expected() {
    for text in ["hello\n", "1,2,3,4\n", "{\"a\": 1}\n", "1,W,0\n", "\x1b[31mred\n", "1,hm,0,Trim,0,1,1\n"] {
        let said = complaint(text);
        assert!(said.contains("t.csv: neither a plain trace") && said.contains("convert it"), "{said}");
        assert!(!said.contains('\x1b'), "{said:?} speaks to the terminal");
    }
}

#[test]
fn other_packings_are_named() {
    for (name, bytes) in [("gzip", vec![0x1f, 0x8b, 8, 0]), ("xz", vec![0xfd, b'7', b'z', b'X', b'Z', 0])] {
        let refused = TraceReader::from_reader(Path::new("t.gz"), Box::new(Cursor::new(bytes)));
        let said = refused.err().map(|error| error.to_string());
        assert!(
            said.as_ref().is_some_and(|said| said.contains(name) && said.contains("decompress it first")),
            "{said:?}"
        );
    }
}

#[test]
fn each_kind_of_bad_line_is_named_with_its_line() {
    let long = format!("1,W,0,{}", "9".repeat(LINE_BYTES_MAX));
    let cases: [(&[u8], &str); 13] = [
        (b"1,W,0", "3 fields where 4 belong"),
        (b"1,W,0,1,2", "5 fields where 4 belong"),
        (b"1,X,0,1", "op \"X\" is none of R W F D Z S E"),
        (b"-1,W,0,1", "time_us \"-1\" is not a whole number"),
        (b"NaN,W,0,1", "time_us \"NaN\" is not a whole number"),
        (b"1e9,W,0,1", "time_us \"1e9\" is not a whole number"),
        (b"1,W,0x10,1", "offset \"0x10\" is not a whole number"),
        (b"1,W,0,99999999999999999999", "length \"99999999999999999999\" is not a whole number below 2^64"),
        (b"1,W,18446744073709551615,1", "offset + length passes 2^64"),
        (b"1,W,0,0", "a request of 0 bytes"),
        (b"1,W,0,1073741825", "a read or write of more than 1 GiB"),
        (b"1,W,0,\xff", "not UTF-8"),
        (long.as_bytes(), "more than 64 KiB"),
    ];
    for (line, words) in cases {
        let said = complaint([b"0,W,0,4096\n", line, b"\n"].concat());
        assert!(
            said.starts_with("t.csv:2: ") && said.contains(words) && said.contains("repair or"),
            "{words}: {said}"
        );
    }
    assert_eq!(
        all(reader(format!("1,D,0,{}", u64::MAX))).unwrap()[0].length,
        u64::MAX,
        "a discard may be long"
    );
    assert_eq!(
        all(reader(format!("1,R,0,{DATA_BYTES_MAX}"))).unwrap().len(),
        1,
        "a read of 1 GiB is the longest"
    );
}

#[test]
fn one_bad_line_in_a_thousand_is_skipped_and_counted() {
    let mut trace = reader(format!("{}bad\n{}", good_lines(999), good_lines(5)));
    let info = TraceInfo::gather(&mut trace).unwrap();
    assert_eq!((info.requests, info.bad_lines), (1004, 1));
    let said = complaint(format!("{}bad\n", good_lines(998)));
    assert!(said.starts_with("t.csv:999: "), "{said}");
    let said = complaint(format!("{}bad\nbad\n", good_lines(1500)));
    assert!(said.starts_with("t.csv:1502: ") && said.contains("2 bad so far"), "{said}");
}

#[test]
fn more_than_a_thousand_bad_lines_are_too_many_for_any_trace() {
    let block = format!("{}bad\n", good_lines(999));
    let said = complaint(block.repeat(1001));
    assert!(said.contains("1001 bad so far"), "{said}");
}

/// A reader that never ends.
struct Endless(&'static [u8]);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_end_is_not_held_in_memory() {
    let first: Box<dyn Read + Send> = Box::new(Cursor::new(good_lines(1)).chain(Endless(b"x").take(1 << 25)));
    let mut reader = TraceReader::from_reader(Path::new("t.csv"), first).unwrap();
    assert!(reader.next_request().unwrap().is_some());
    assert!(reader.next_request().unwrap_err().to_string().contains("more than 64 KiB"));
}

#[test]
fn random_garbage_ends_in_an_error() {
    let mut state = 1_u64;
    for round in 0..300 {
        let bytes: Vec<u8> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                b"0123456789,,,,\n\nWRFDZ\xff-."[(state >> 33) as usize % 23]
            })
            .collect();
        let start = if round % 2 == 0 { good_lines(1).into_bytes() } else { Vec::new() };
        assert!(all(reader([start, bytes].concat())).is_err(), "round {round}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let said = TraceReader::open(Path::new("no/such.csv")).err().map(|error| error.to_string());
    assert!(said.as_ref().is_some_and(|said| said.starts_with("cannot open no/such.csv: ")), "{said:?}");
}

#[test]
fn damaged_compression_is_told_from_a_failing_disk() {
    let mut bytes = std::fs::read(configs().join("traces/cargo-xfs.csv.zst")).unwrap();
    let whole = bytes.clone();
    bytes.truncate(9000);
    let said = complaint(bytes);
    assert!(said.starts_with("t.csv: the zstd stream is cut off; get the file again"), "{said}");
    let mut bytes = whole;
    bytes[9000] ^= 1;
    assert!(complaint(bytes).contains("get the file again"));
}

#[test]
fn the_traces_of_the_project_are_what_their_readme_says() {
    let open = |name: &str| TraceReader::open(&configs().join("traces").join(name)).unwrap();
    let git = TraceInfo::gather(&mut open("git-ext4.csv.zst")).unwrap();
    let kinds = |info: &TraceInfo| Kind::ALL.map(|kind| info.kind(kind).requests);
    assert_eq!((git.requests, kinds(&git)), (114_918, [103, 79_041, 3_501, 32_269, 4, 0, 0]));
    assert_eq!((git.write.bytes, git.end_byte, git.bad_lines), (6_369_566_720, 512 << 20, 0));
    assert!((git.rewrite_factor - 16.1).abs() < 0.05, "{}", git.rewrite_factor);
    let cargo = TraceInfo::gather(&mut open("cargo-xfs.csv.zst")).unwrap();
    assert_eq!((cargo.requests, kinds(&cargo)), (2_318, [187, 1_935, 60, 135, 1, 0, 0]));
    assert_eq!((cargo.write.ragged, cargo.end_byte, cargo.compressed), (100, 1 << 30, true));
    for (name, due) in [
        ("git-snapshots-ext4", [102, 7_286, 158, 4_153, 4, 8, 4]),
        ("sqlite-xfs", [172, 6_862, 4_389, 295, 1, 6, 2]),
        ("container-btrfs", [118, 5_458, 45, 420, 0, 5, 1]),
    ] {
        let file = format!("{name}.csv.zst");
        let info = TraceInfo::gather(&mut open(&file)).unwrap();
        assert_eq!((kinds(&info), info.end_byte, info.bad_lines), (due, 512 << 20, 0), "{name}");
    }
}

#[test]
fn info_counts_what_a_small_trace_holds() {
    let text = "10,W,0,8192\n20,W,8192,4096\n15,W,4096,4096\n40,R,0,512\n50,D,1048576,4096\n60,F,0,0\n";
    let info = TraceInfo::gather(&mut reader(text)).unwrap();
    assert_eq!(
        (info.write.requests, info.write.bytes, info.write.sequential, info.write.ragged),
        (3, 16_384, 1, 0)
    );
    assert_eq!((info.read.ragged, info.first_byte, info.end_byte), (1, 0, 1_052_672));
    assert_eq!((info.duration_us, info.back_in_time), (50, 1));
    assert_eq!((info.touched_blocks, info.written_blocks, info.blocks_are_lower_bounds), (3, 3, false));
    assert!((info.rewrite_factor - 4.0 / 3.0).abs() < 1e-12);
    let sizes: Vec<(u64, u64)> = info.sizes.iter().map(|bar| (bar.bytes_min, bar.requests)).collect();
    assert_eq!(sizes, [(512, 1), (4096, 2), (8192, 1)]);
    let shown = info.to_string();
    assert!(shown.contains("write         3 (16 KiB; 33.3 % sequential, 0 ragged)"), "{shown}");
}

#[test]
fn a_footprint_agrees_with_a_set() {
    let mut requests = Vec::new();
    for index in 0..400_u64 {
        let offset = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37;
        requests.push(request(index, Kind::Write, offset, 1 + (index * index * 977) % 3_000_000));
    }
    let text: String =
        requests.iter().map(|r| format!("{},W,{},{}\n", r.time_us, r.offset, r.length)).collect();
    let mut set = std::collections::BTreeSet::new();
    requests.iter().for_each(|r| set.extend(r.offset / 4096..=(r.end() - 1) / 4096));
    assert_eq!(TraceInfo::gather(&mut reader(text)).unwrap().written_blocks, set.len() as u64);
}

#[test]
fn scattered_addresses_fill_no_memory_and_the_footprint_says_so() {
    let text: String = (0..300_000_u64).map(|index| format!("0,W,{},512\n", index << 40)).collect();
    let info = TraceInfo::gather(&mut reader(text)).unwrap();
    assert_eq!((info.touched_blocks, info.blocks_are_lower_bounds), (1 << 18, true));
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let requests: Vec<Request> = (0..200_000_u64)
        .map(|index| match index % 7 {
            0 => request(index * 3, Kind::Flush, 0, 0),
            kind => {
                request(index * 3, Kind::ALL[[0, 1, 3, 4][kind as usize % 4]], index * 512, 1 + index % 9000)
            }
        })
        .collect();
    for name in ["t.csv", "t.csv.zst"] {
        let path = folder.path().join(name);
        let mut writer = TraceWriter::create(&path, false).unwrap();
        requests.iter().for_each(|request| writer.write(request).unwrap());
        writer.finish().unwrap();
        let reader = TraceReader::open(&path).unwrap();
        assert_eq!(reader.is_compressed(), name.ends_with("zst"));
        assert!(all(reader).unwrap() == requests, "{name}");
    }
    let bytes = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(bytes("t.csv") > 2 * bytes("t.csv.zst"), "{} and {}", bytes("t.csv"), bytes("t.csv.zst"));
}

#[test]
fn conversion_keeps_every_request_and_starts_at_zero() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed) = (folder.path().join("plain.csv"), folder.path().join("packed.csv.zst"));
    let source = configs().join("traces/git-ext4.csv.zst");
    let first = convert(&mut TraceReader::open(&source).unwrap(), &plain, false).unwrap();
    let second = convert(&mut TraceReader::open(&plain).unwrap(), &packed, false).unwrap();
    assert_eq!((first.requests, second.requests, second.compressed), (114_918, 114_918, false));
    let read = |path: &Path| all(TraceReader::open(path).unwrap()).unwrap();
    assert!(read(&source) == read(&plain) && read(&plain) == read(&packed));
    let msr = "500,h,0,Write,4096,4096,1\n700,h,0,Read,0,512,1\n";
    convert(&mut reader(msr), &plain, true).unwrap();
    assert_eq!(
        std::fs::read_to_string(&plain).unwrap(),
        "time_us,op,offset,length\n0,W,4096,4096\n20,R,0,512\n"
    );
}

#[test]
fn an_existing_file_is_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "mine").unwrap();
    let said = TraceWriter::create(&path, false).err().map(|error| error.to_string());
    assert!(said.is_some_and(|said| said.starts_with("cannot create")));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
